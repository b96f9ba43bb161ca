//! `domain.devices.interfaces`, and the networks that they are tied to.

use super::{Guest, resource_name};
use serde_json::{Value, json};

impl Guest<'_> {
    pub(super) fn interface(&mut self, i: usize) -> Option<Value> {
        let document = self.document;
        let key = |name: &str| format!("net[{i}].{name}");
        let name = format!("net{i}");
        let mode = document.text(&key("mode")).unwrap_or_else(|| "user".to_owned());
        let mut interface =
            json!({"name": name, "model": document.text(&key("model")).unwrap_or_else(|| "virtio".into())});
        let mac = document.text(&key("mac")).or_else(|| self.property(&format!("nic{i}"), "mac"));
        if let Some(mac) = mac {
            interface["macAddress"] = json!(mac);
        }
        if let Some(order) = document.number(&key("boot_index")) {
            interface["bootOrder"] = json!(order + 1);
        }
        match mode.as_str() {
            "user" | "passt" if self.networks.iter().all(|network| network.get("pod").is_none()) => {
                interface["masquerade"] = json!({});
                self.networks.push(json!({"name": name, "pod": {}}));
            }
            "bridge" | "macvtap" => {
                let of = document.text(&key("bridge")).or_else(|| document.text(&key("parent"))).unwrap_or_default();
                let network = resource_name(&of);
                interface["bridge"] = json!({});
                self.networks.push(json!({"name": name, "multus": {"networkName": network}}));
                self.note(
                    key("mode"),
                    format!("a NetworkAttachmentDefinition `{network}` must lead to {of} on each host"),
                );
            }
            _ => {
                document.unread_again(&key("mode"));
                return None;
            }
        }
        Some(interface)
    }

    fn property(&self, id: &str, key: &str) -> Option<String> {
        let mut devices = self.contents.argv.json("-device");
        Some(devices.find(|device| device["id"] == id)?[key].as_str()?.to_owned())
    }
}
