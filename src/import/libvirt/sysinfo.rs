//! `<sysinfo>`: names in SMBIOS, and entries of `fw_cfg`.

use super::Domain;
use crate::import::unready;
use crate::import::xml::Element;
use crate::unit::is_free_fw_cfg_name;

/// Elements of `<sysinfo>`, tables of the profile, and names that differ.
const TABLES: [(&str, &str); 5] = [
    ("bios", "smbios.bios"),
    ("system", "smbios.system"),
    ("baseBoard", "smbios.board"),
    ("chassis", "smbios.chassis"),
    ("processor", "smbios.processor"),
];

pub(super) fn import(root: &Element, domain: &mut Domain) {
    let shown = root.at("os/smbios").and_then(|smbios| smbios.attr("mode")) == Some("sysinfo");
    for info in root.all("sysinfo") {
        match info.attr("type") {
            Some("fwcfg") => info.all("entry").for_each(|entry| fw_cfg(entry, domain)),
            Some("smbios") | None if shown => smbios(info, domain),
            _ => info.needless("the file does not show it to the guest: <smbios mode='sysinfo'/> is not there"),
        }
    }
}

fn fw_cfg(entry: &Element, domain: &mut Domain) {
    if !entry.attr("name").is_some_and(is_free_fw_cfg_name) {
        return entry.lost("it is one of QEMU's own names; those of users begin with opt/");
    }
    let table = domain.page.push("fw_cfg");
    table.maybe("name", entry.attr("name"));
    match entry.attr("file") {
        Some(file) => table.set("file", file),
        None => table.set("string", entry.text()),
    }
}

fn smbios(info: &Element, domain: &mut Domain) {
    for (element, table) in TABLES {
        for entry in info.all(element).flat_map(|part| part.all("entry")) {
            let (name, value) = (entry.attr("name").unwrap_or_default(), entry.text());
            match (element, name) {
                ("system", "uuid") => {
                    // The guest's identity is this one; libvirt wants both to be equal.
                    if domain.uuid.is_none() && unready::identity(domain.page.top(), value) {
                        entry.asked("which UUID the guest has");
                    }
                    domain.uuid.get_or_insert_with(|| value.to_owned());
                }
                _ if knows(table, name) => domain.page.table(table).set(name, value),
                _ => entry.lost("QEMU has no such field"),
            }
        }
    }
    for entry in info.all("oemStrings").flat_map(|part| part.all("entry")) {
        domain.page.table("smbios").add("oem_strings", entry.text());
    }
}

/// Whether the profile's table `table` has the key `name`.
pub(in crate::import) fn knows(table: &str, name: &str) -> bool {
    let keys: &[&str] = match table {
        "smbios.bios" => &["vendor", "version", "date", "release"],
        "smbios.system" => &["manufacturer", "product", "version", "serial", "sku", "family"],
        "smbios.board" => &["manufacturer", "product", "version", "serial", "asset", "location"],
        "smbios.chassis" => &["manufacturer", "version", "serial", "asset", "sku"],
        "smbios.processor" => &[
            "sock_pfx",
            "manufacturer",
            "version",
            "serial",
            "asset",
            "part",
            "max_speed",
            "current_speed",
            "processor_id",
        ],
        "smbios.memory" => &["loc_pfx", "bank", "manufacturer", "serial", "asset", "part", "speed"],
        _ => &[],
    };
    keys.contains(&name)
}
