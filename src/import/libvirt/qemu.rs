//! `<qemu:commandline>` and `<qemu:override>`: what goes past libvirt to QEMU.

use super::Domain;
use crate::import::argv::{self, Place, Word};
use crate::import::report::{Fate, Report};
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
        for child in line.each() {
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

/// Properties of the device that has an alias: those of passed functions that a profile has keys for.
fn overridden(device: &Element, root: &Element, domain: &mut Domain, report: &mut Report) {
    let alias = device.attr("alias").unwrap_or_default();
    let hostdevs = root.at("devices").into_iter().flat_map(|devices| devices.all("hostdev"));
    let named = |hostdev: &&Element| {
        let own = hostdev.child("alias").and_then(|alias| alias.attr("name"));
        own == Some(alias)
    };
    let numbered = alias.strip_prefix("hostdev").and_then(|number| number.parse::<usize>().ok());
    let all: Vec<_> = hostdevs.collect();
    let found = all.iter().copied().find(named).or_else(|| all.get(numbered?).copied());
    let host = found
        .and_then(|found| found.child("source"))
        .and_then(|source| source.child("address"))
        .and_then(super::hostdev::bdf);
    for property in device.all("qemu:frontend").flat_map(|frontend| frontend.all("qemu:property")) {
        let (name, value) = (property.attr("name").unwrap_or_default(), property.attr("value").unwrap_or_default());
        property.attr("type");
        let place = host
            .as_deref()
            .and_then(|host| domain.page.list("pci").iter_mut().find(|table| table.text("host") == Some(host)));
        let done = place.is_some_and(|table| set(table, name, value));
        if done {
            report.note(property.line, format!("{alias}.{name}={value}"), Fate::Kept);
        } else {
            property.lost(format!("`{name}` of `{alias}` is not to be had"));
        }
    }
}

/// A property of vfio-pci by its key; `false` when there is none.
fn set(table: &mut crate::import::table::Table, name: &str, value: &str) -> bool {
    let spoof = match name {
        "x-pci-vendor-id" => "vendor_id",
        "x-pci-device-id" => "device_id",
        "x-pci-sub-vendor-id" => "sub_vendor_id",
        "x-pci-sub-device-id" => "sub_device_id",
        "x-vga" => {
            table.set("x_vga", matches!(value, "on" | "true" | "yes"));
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
