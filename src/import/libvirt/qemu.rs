//! `<qemu:commandline>` and `<qemu:override>`: what goes past libvirt to QEMU.

use super::Domain;
use crate::import::argv::{self, Place, Word};
use crate::import::report::{Fate, Report};
use crate::import::table::Table;
use crate::import::xml::{Element, number};

/// Whether functions of the host are passed past libvirt.
pub(super) fn passes(root: &Element) -> bool {
    let lines = root.children.iter().filter(|child| child.name == "qemu:commandline");
    lines
        .flat_map(|line| &line.children)
        .any(|arg| arg.attr("value").is_some_and(|value| value.starts_with("vfio-pci")))
}

pub(super) fn import(root: &Element, domain: &mut Domain, report: &mut Report) {
    let mut words = Vec::new();
    let mut env = Vec::new();
    for line in root.all("qemu:commandline") {
        let all: Vec<_> = line.each().collect();
        let mut done = 0;
        for (at, child) in all.iter().enumerate() {
            let value = |child: &Element| child.attr("value").unwrap_or_default().to_owned();
            let next = all.get(at + 1).map(|next| value(next)).filter(|_| value(child) == "-set");
            if at < done {
                continue;
            }
            if next.is_some_and(|setting| set_by_alias(&setting, root, domain)) {
                all[at..at + 2]
                    .iter()
                    .for_each(|arg| arg.translated("a key, or one of the properties, of that device"));
                done = at + 2;
                continue;
            }
            match child.name.as_str() {
                "qemu:arg" => {
                    words.push(Word::plain(child.attr("value").unwrap_or_default(), child.line));
                    // The option that it belongs to has an entry of its own.
                    child.translated("see the option");
                }
                "qemu:env" => {
                    let (name, value) =
                        (child.attr("name").unwrap_or_default(), child.attr("value").unwrap_or_default());
                    env.push((name.to_owned(), value.to_owned(), child.line));
                    child.translated("see the variable");
                }
                _ => child.lost("vmrun has nothing like it"),
            }
        }
    }
    if !(words.is_empty() && env.is_empty()) {
        argv::import(&words, &env, Place::Libvirt { q35: domain.q35 }, &mut domain.page, report);
    }
    for capabilities in root.all("qemu:capabilities") {
        capabilities.needless("vmrun asks QEMU itself what it can do");
    }
    for deprecation in root.all("qemu:deprecation") {
        deprecation.needless("QEMU's own words are shown");
    }
    for device in root.child("qemu:override").into_iter().flat_map(|over| over.all("qemu:device")) {
        overridden(device, root, domain, report);
    }
}

/// The table of the passed device that libvirt calls `alias`, and whether it is a mediated one.
fn table_of<'d>(alias: &str, root: &Element, domain: &'d mut Domain) -> Option<(&'d mut Table, bool)> {
    let hostdevs = root.at("devices").into_iter().flat_map(|devices| devices.all("hostdev"));
    let named = |hostdev: &&Element| {
        let own = hostdev.child("alias").and_then(|alias| alias.attr("name"));
        own == Some(alias)
    };
    let numbered = alias.strip_prefix("hostdev").and_then(|number| number.parse::<usize>().ok());
    let all: Vec<_> = hostdevs.collect();
    let found = all.iter().copied().find(named).or_else(|| all.get(numbered?).copied())?;
    let address = found.child("source").and_then(|source| source.child("address"))?;
    let (list, key, name) = match address.attr("uuid") {
        Some(uuid) => ("mdev", "uuid", uuid.to_owned()),
        None => ("pci", "host", super::hostdev::bdf(address)?),
    };
    let table = domain.page.list(list).iter_mut().find(|table| table.text(key) == Some(&name))?;
    Some((table, list == "mdev"))
}

fn overridden(device: &Element, root: &Element, domain: &mut Domain, report: &mut Report) {
    let alias = device.attr("alias").unwrap_or_default();
    for property in device.all("qemu:frontend").flat_map(|frontend| frontend.all("qemu:property")) {
        let (name, value) = (property.attr("name").unwrap_or_default(), property.attr("value").unwrap_or_default());
        property.attr("type");
        if table_of(alias, root, domain).is_some_and(|(table, mediated)| set(table, mediated, name, value)) {
            report.note(property.line, format!("{alias}.{name}={value}"), Fate::Kept);
        } else {
            property.lost(format!("`{name}` of `{alias}` is not to be had"));
        }
    }
}

/// `-set device.ALIAS.NAME=VALUE` for a device that libvirt made; `false` when it is none that the profile has.
fn set_by_alias(setting: &str, root: &Element, domain: &mut Domain) -> bool {
    let taken = setting.strip_prefix("device.").and_then(|rest| rest.split_once('='));
    let Some((path, value)) = taken else { return false };
    let Some((alias, name)) = path.split_once('.') else { return false };
    table_of(alias, root, domain).is_some_and(|(table, mediated)| set(table, mediated, name, value))
}

/// A property of vfio-pci by its key; `false` when there is none.
fn set(table: &mut Table, mediated: bool, name: &str, value: &str) -> bool {
    let on = matches!(value, "on" | "true" | "yes");
    let spoof = match name {
        "display" | "ramfb" if mediated => {
            table.set(name, on);
            return true;
        }
        // The one that ramfb takes.
        "driver" => return mediated && value == "vfio-pci-nohotplug",
        "x-pci-vendor-id" => "vendor_id",
        "x-pci-device-id" => "device_id",
        "x-pci-sub-vendor-id" => "sub_vendor_id",
        "x-pci-sub-device-id" => "sub_device_id",
        "x-vga" => {
            table.set("x_vga", on);
            return true;
        }
        _ => {
            table.property(name, value);
            return true;
        }
    };
    let Some(id) = number(value).and_then(|id| i64::try_from(id).ok()) else { return false };
    let mut all = table.get("spoof").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    all.insert(spoof.into(), id.into());
    table.set("spoof", all);
    true
}
