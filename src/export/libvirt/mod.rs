//! `--to libvirt`: domain XML; <https://libvirt.org/formatdomain.html>.
//!
//! What `vmrun import` reads of a domain is what is written here, so that the domain comes back as the same profile. What
//! vmrun derives and libvirt would derive otherwise, like hardware addresses, is taken from the plan.

mod address;
mod cpu;
mod devices;
mod disk;
mod display;
mod fw_cfg;
mod host;
mod memory;
mod net;
mod os;
mod resctrl;
mod small;

use super::document::Document;
use super::xml::Element;
use super::{Export, From};
use crate::plan::Contents;
use address::Places;
use serde_json::Value;

/// The domain, and what is not in it.
#[must_use]
pub fn libvirt(root: &toml::Table, contents: &Contents, from: &From) -> Export {
    let document = Document::new(root, from);
    let devices = devices_of(contents);
    let places = Places::of(&document, contents, &devices, is_q35(contents));
    let source = Source { document: &document, contents, devices, places };
    for key in ["schema", "name", "guest", "uuid", "extends", "without", "variant"] {
        document.settle(key);
    }
    let kind = if accelerated(contents) { "kvm" } else { "qemu" };
    document.settle("machine.accel");
    let mut domain = Element::new("domain").with("type", kind);
    let commandline = source.commandline();
    let overrides = host::overrides(&source);
    if commandline.is_some() || overrides.is_some() {
        domain = domain.with("xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0");
    }
    domain.push(Element::of("name", contents.name.as_str()));
    if let Some(uuid) = option(contents, "-uuid") {
        domain.push(Element::of("uuid", uuid));
    }
    small::vmgenid(&source).into_iter().for_each(|element| domain.push(element));
    memory::write(&source, &mut domain);
    cpu::write(&source, &mut domain);
    os::write(&source, &mut domain);
    let mut devices = devices::write(&source);
    host::write(&source, &mut devices);
    domain.push(devices);
    commandline.into_iter().chain(overrides).for_each(|element| domain.push(element));
    let mut gaps = document.gaps(why);
    gaps.extend(cpu::unknown(&source).into_iter().chain(small::kept_in_tpm(&source)));
    Export { text: domain.to_string(), gaps }
}

/// What the domain is made of.
struct Source<'a> {
    document: &'a Document<'a>,
    contents: &'a Contents,
    /// QEMU's devices, as JSON.
    devices: Vec<Value>,
    places: Places,
}

impl Source<'_> {
    /// The property `key` of QEMU's device `id`.
    fn property(&self, id: &str, key: &str) -> Option<String> {
        let device = self.devices.iter().find(|device| device["id"] == id)?;
        match &device[key] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// Whether the machine is a q35.
    fn is_q35(&self) -> bool {
        is_q35(self.contents)
    }

    /// The user's own arguments and variables, and what libvirt has no element for.
    fn commandline(&self) -> Option<Element> {
        let mut commandline = Element::new("qemu:commandline");
        for argument in fw_cfg::arguments(self).into_iter().chain(self.document.texts("qemu.args")) {
            commandline.push(Element::new("qemu:arg").with("value", argument));
        }
        for (name, value) in self.document.get("qemu.env").and_then(toml::Value::as_table).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            commandline.push(Element::new("qemu:env").with("name", name).with("value", value));
        }
        (!commandline.is_empty()).then_some(commandline)
    }
}

fn is_q35(contents: &Contents) -> bool {
    option(contents, "-machine").is_some_and(|machine| machine.split(',').next().unwrap_or("").contains("q35"))
}

/// The value of QEMU's option `name`.
fn option(contents: &Contents, name: &str) -> Option<String> {
    contents.argv.value(name)
}

fn accelerated(contents: &Contents) -> bool {
    option(contents, "-accel").is_some_and(|accel| accel.starts_with("kvm"))
}

fn devices_of(contents: &Contents) -> Vec<Value> {
    contents.argv.json("-device").collect()
}

/// Why a key is not in the domain.
fn why(key: &str) -> String {
    let table = key.split(['.', '[']).next().unwrap_or_default();
    match table {
        "hook" | "hooks_dir" => "libvirt runs /etc/libvirt/hooks/qemu for all guests, and no commands of one",
        "service" => "libvirt starts no services beside a guest; a hook of its can",
        "tune" => "libvirt leaves the host's own settings alone; tuned and its hooks can change them",
        "smbios" => "beside the host's own names libvirt tells a guest no others, and none of a processor ever",
        "stop" => "libvirt-guests, and who presses the button, wait as long as they like",
        "addresses" => "the domain has no such device, or its controller is one that libvirt makes itself",
        "pcie" => "libvirt has spare ports by its own count",
        "gpu" => "libvirt does not take the host's only card from its screen; a hook of its can",
        _ => "the domain's format has no words for it",
    }
    .to_owned()
}
