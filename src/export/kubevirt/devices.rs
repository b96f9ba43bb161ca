//! `domain.devices`.

use super::{Guest, resource_name};
use crate::unit::Bdf;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Guest<'_> {
    pub(super) fn devices(&mut self, name: &str, ids: &BTreeMap<Bdf, String>) -> Value {
        let document = self.document;
        let kind = document.text("display.kind");
        let none = kind.as_deref().is_none_or(|kind| kind == "none");
        if !none {
            self.note("display.kind", "the picture is to be had by VNC: virtctl vnc");
        }
        document.settle("memory.balloon");
        let mut devices = json!({
            "autoattachGraphicsDevice": !none,
            "autoattachMemBalloon": document.on("memory.balloon") == Some(true),
            "disks": (0..document.count("disk")).map(|i| self.disk(i, name)).collect::<Vec<_>>(),
            "interfaces": (0..document.count("net")).filter_map(|i| self.interface(i)).collect::<Vec<_>>(),
        });
        let passed = self.functions(ids);
        if !passed.is_empty() {
            devices["hostDevices"] = json!(passed);
        }
        if document.has("tpm") {
            devices["tpm"] = json!({"persistent": true});
            document.settle("tpm.model");
        }
        if document.has("rng") {
            devices["rng"] = json!({});
        }
        if document.has("watchdog") {
            let action = document
                .text("watchdog.action")
                .filter(|action| matches!(&**action, "reset" | "poweroff" | "shutdown"));
            let model = document.text("watchdog.model").unwrap_or_else(|| "i6300esb".to_owned());
            if model == "i6300esb" {
                let action = action.unwrap_or_else(|| "reset".to_owned());
                devices["watchdog"] = json!({"name": "watchdog", "i6300esb": {"action": action}});
            } else {
                document.unread_again("watchdog.model");
            }
        }
        if document.has("audio") {
            let model = match document.text("audio.model").as_deref() {
                Some("ac97") => "ac97",
                _ => "ich9",
            };
            devices["sound"] = json!({"name": "sound", "model": model});
        }
        let inputs: Vec<_> = (0..document.count("input")).filter_map(|i| self.input(i)).collect();
        if !inputs.is_empty() {
            devices["inputs"] = json!(inputs);
        }
        devices
    }

    fn functions(&mut self, ids: &BTreeMap<Bdf, String>) -> Vec<Value> {
        let mut devices = Vec::new();
        for (i, bdf) in self.contents.argv.host_functions().into_iter().enumerate() {
            let id = ids.get(&bdf).cloned().unwrap_or_else(|| "VENDOR:DEVICE".to_owned());
            let resource = format!("vmrun/{}", resource_name(&id));
            devices.push(json!({"name": format!("pci{i}"), "deviceName": resource}));
            let what = format!(
                "any {id} of the host that Kubernetes chooses, not {bdf}; in the KubeVirt resource, permittedHostDevices: \
                 pciHostDevices: [{{pciVendorSelector: \"{id}\", resourceName: \"{resource}\"}}]"
            );
            self.note("pci", what);
        }
        for i in 0..self.document.count("pci") {
            for name in ["host", "device", "usb_controller_of", "addr", "multifunction"] {
                self.document.settle(&format!("pci[{i}].{name}"));
            }
        }
        devices
    }

    fn input(&self, i: usize) -> Option<Value> {
        let key = format!("input[{i}].kind");
        let bus = match self.document.text(&key).as_deref() {
            Some("usb-tablet") => "usb",
            Some("virtio-tablet") => "virtio",
            _ => {
                self.document.unread_again(&key);
                return None;
            }
        };
        Some(json!({"type": "tablet", "bus": bus, "name": format!("input{i}")}))
    }
}
