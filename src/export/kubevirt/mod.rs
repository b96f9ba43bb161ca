//! `--to kubevirt`: a `VirtualMachine` of `KubeVirt`, for those who outgrow one machine. JSON, which YAML contains.
//!
//! `KubeVirt`: `staging/src/kubevirt.io/api/core/v1/schema.go`.

mod cpu;
mod devices;
mod disk;
mod features;
mod firmware;
mod net;

use super::document::Document;
use super::{Export, From, Gap};
use crate::plan::Contents;
use crate::unit::Bdf;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The manifest, and what is not in it. `ids` are the vendor and device of the host's functions.
#[must_use]
pub fn kubevirt(root: &toml::Table, contents: &Contents, from: &From, ids: &BTreeMap<Bdf, String>) -> Export {
    let document = Document::new(root, from);
    for key in ["schema", "name", "guest", "uuid", "extends", "without", "variant", "qemu.binary", "machine.accel"] {
        document.settle(key);
    }
    // Every guest of KubeVirt has these.
    ["agent", "usb_controller"].iter().for_each(|name| _ = document.has(name));
    let mut guest =
        Guest { document: &document, contents, notes: Vec::new(), volumes: Vec::new(), networks: Vec::new() };
    let name = resource_name(contents.name.as_str());
    let domain = guest.domain(&name, ids);
    let mut spec = json!({"domain": domain, "terminationGracePeriodSeconds": contents.ending.timeout.get().as_secs()});
    document.settle("stop.timeout");
    for (key, list) in [("networks", &guest.networks), ("volumes", &guest.volumes)] {
        if !list.is_empty() {
            spec[key] = json!(list);
        }
    }
    let manifest = json!({
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name},
        "spec": {"runStrategy": "Manual", "template": {"metadata": {"labels": {"kubevirt.io/vm": name}}, "spec": spec}},
    });
    let mut gaps = guest.notes;
    gaps.extend(document.gaps(why));
    Export { text: format!("{manifest:#}\n"), gaps }
}

struct Guest<'a> {
    document: &'a Document<'a>,
    contents: &'a Contents,
    notes: Vec<Gap>,
    volumes: Vec<Value>,
    networks: Vec<Value>,
}

impl Guest<'_> {
    fn note(&mut self, at: impl Into<String>, what: impl Into<String>) {
        self.notes.push(Gap::new(at, what));
    }

    fn domain(&mut self, name: &str, ids: &BTreeMap<Bdf, String>) -> Value {
        let mut domain = json!({
            "cpu": self.cpu(),
            "memory": self.memory(),
            "machine": {"type": self.machine()},
            "features": self.features(),
            "clock": self.clock(),
            "firmware": self.firmware(),
            "devices": self.devices(name, ids),
        });
        if self.has_iothreads() {
            domain["ioThreadsPolicy"] = json!("auto");
        }
        domain
    }

    fn machine(&self) -> String {
        self.document.text("machine.type").unwrap_or_else(|| "q35".to_owned())
    }

    fn has_iothreads(&self) -> bool {
        (0..self.document.count("disk")).any(|i| self.document.get(&format!("disk[{i}].iothread")).is_some())
    }
}

/// A name as Kubernetes has it: small letters, digits and dashes, at most 63.
fn resource_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(63).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "guest".to_owned() } else { name.to_owned() }
}

/// Why a key is not in the manifest.
fn why(key: &str) -> String {
    match key.split(['.', '[']).next().unwrap_or_default() {
        "hook" | "hooks_dir" | "service" => "nothing of a guest's own runs on the hosts of a cluster",
        "tune" => "hosts are tuned by operators of the cluster",
        "usb" => "USB devices are permitted for the whole cluster, by permittedHostDevices",
        "addresses" | "pcie" => "addresses are dealt by KubeVirt",
        "firmware" => "the firmware is that of KubeVirt's own image, and its store is new",
        "serial" => "the serial port is to be had by virtctl console",
        "share" => "a folder is a volume there",
        "clock" => "the hosts' clocks are on UTC",
        _ => "KubeVirt has no words for it",
    }
    .to_owned()
}

#[cfg(test)]
mod test {
    use super::resource_name;

    #[test]
    fn a_name_is_one_that_kubernetes_takes() {
        assert_eq!(resource_name("Windows_11.x"), "windows-11-x");
        assert_eq!(resource_name("10de:1b80"), "10de-1b80");
        assert_eq!(resource_name("..."), "guest");
    }
}
