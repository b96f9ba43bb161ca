//! `<os>`, `<sysinfo>`, what an end of the guest does, and what may sleep.

use super::{Source, fw_cfg, option};
use crate::export::xml::Element;
use crate::plan::{OnPanic, OnReboot};

pub(super) fn write(source: &Source<'_>, domain: &mut Element) {
    let document = source.document;
    let machine = option(source.contents, "-machine").unwrap_or_default();
    let machine = machine.split(',').next().unwrap_or("pc").to_owned();
    let machine = document.text("machine.type").unwrap_or(machine);
    let kind = Element::of("type", "hvm").with("arch", "x86_64").with("machine", machine);
    let mut os = Element::new("os").and(kind);
    firmware(source, &mut os);
    for (key, name) in [("image", "kernel"), ("initrd", "initrd")] {
        if let Some(path) = document.path(&format!("kernel.{key}")) {
            os.push(Element::of(name, path));
        }
    }
    if let Some(text) = document.text("kernel.append") {
        os.push(Element::of("cmdline", text));
    }
    if let Some(on) = document.on("boot.menu") {
        os.push(Element::new("bootmenu").with("enable", if on { "yes" } else { "no" }));
    }
    // With the host's own names libvirt tells the guest no others.
    let hosts = document.text("smbios.preset").as_deref() == Some("host");
    let sysinfo = if hosts { None } else { sysinfo(source) };
    match hosts {
        true => os.push(Element::new("smbios").with("mode", "host")),
        false if sysinfo.is_some() => os.push(Element::new("smbios").with("mode", "sysinfo")),
        false => {}
    }
    let tables = (0..document.count("acpi_table")).filter_map(|i| document.path(&format!("acpi_table[{i}].file")));
    let tables: Vec<_> = tables.map(|path| Element::of("table", path).with("type", "slic")).collect();
    if !tables.is_empty() {
        os.push(tables.into_iter().fold(Element::new("acpi"), Element::and));
    }
    domain.push(os);
    sysinfo.into_iter().for_each(|element| domain.push(element));
    fw_cfg::sysinfo(source).into_iter().for_each(|element| domain.push(element));
    life(source, domain);
}

fn firmware(source: &Source<'_>, os: &mut Element) {
    let document = source.document;
    document.settle("firmware.kind");
    let code = document.path("firmware.code").or_else(|| chip(source, "fw-code-file"));
    let Some(code) = code.filter(|_| !bios(source)) else { return };
    let secure = document.on("firmware.secure_boot");
    document.settle("firmware.enrolled_keys");
    let format = document.text("firmware.format");
    let mut loader = Element::of("loader", code).with("readonly", "yes");
    if let Some(secure) = secure {
        loader = loader.with("secure", if secure { "yes" } else { "no" });
    }
    os.push(loader.with("type", "pflash").maybe("format", format.as_deref()));
    let template = document.path("firmware.vars").or_else(|| template(source));
    let store = document.path("firmware.nvram").or_else(|| chip(source, "fw-vars-file")).unwrap_or_default();
    os.push(Element::of("nvram", store).maybe("template", template).maybe("format", format.as_deref()));
}

fn bios(source: &Source<'_>) -> bool {
    source.document.text("firmware.kind").as_deref() == Some("bios")
}

/// The file of the firmware's chip that the plan calls `node`.
fn chip(source: &Source<'_>, node: &str) -> Option<String> {
    let own = source.contents.argv.json("-blockdev").find(|block| block["node-name"] == node)?;
    Some(own["filename"].as_str()?.to_owned())
}

/// The template of the store that the plan makes.
fn template(source: &Source<'_>) -> Option<String> {
    source.contents.files.iter().find_map(|file| match file {
        crate::plan::NewFile::Copy { copy_of, .. } => Some(copy_of.to_string_lossy().into_owned()),
        crate::plan::NewFile::Folder { .. } => None,
    })
}

/// Tables of SMBIOS: the profile's, and libvirt's name.
const TABLES: [(&str, &str); 5] = [
    ("bios", "bios"),
    ("system", "system"),
    ("board", "baseBoard"),
    ("chassis", "chassis"),
    ("processor", "processor"),
];

fn sysinfo(source: &Source<'_>) -> Option<Element> {
    let document = source.document;
    let mut info = Element::new("sysinfo").with("type", "smbios");
    let mut any = false;
    for (table, name) in TABLES.into_iter().filter(|(table, _)| *table != "processor") {
        let entries = document.table(&format!("smbios.{table}"));
        let entries = entries.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
        let entries = entries.map(|(key, value)| {
            document.settle(&format!("smbios.{table}.{key}"));
            Element::of("entry", value).with("name", key)
        });
        let part = entries.fold(Element::new(name), Element::and);
        if !part.is_empty() {
            any = true;
            info.push(part);
        }
    }
    let strings = document.texts("smbios.oem_strings");
    if !strings.is_empty() {
        any = true;
        let entries = strings.into_iter().map(|text| Element::of("entry", text));
        info.push(entries.fold(Element::new("oemStrings"), Element::and));
    }
    any.then_some(info)
}

fn life(source: &Source<'_>, domain: &mut Element) {
    let document = source.document;
    let ending = &source.contents.ending;
    domain.push(Element::of("on_poweroff", "destroy"));
    match ending.on_reboot {
        OnReboot::Exit => domain.push(Element::of("on_reboot", "destroy")),
        // A new QEMU at each reboot is not to be had there, and stays a gap.
        OnReboot::Reset | OnReboot::Restart => domain.push(Element::of("on_reboot", "restart")),
    }
    if ending.on_reboot != OnReboot::Restart {
        document.settle("on.reboot");
    }
    domain.push(Element::of("on_crash", if ending.on_panic == OnPanic::Pause { "preserve" } else { "destroy" }));
    document.settle("on.panic");
    let mut pm = Element::new("pm");
    for (key, name) in [("s3", "suspend-to-mem"), ("s4", "suspend-to-disk")] {
        if let Some(on) = document.on(&format!("machine.{key}")) {
            pm.push(Element::new(name).with("enabled", if on { "yes" } else { "no" }));
        }
    }
    if !pm.is_empty() {
        domain.push(pm);
    }
}
