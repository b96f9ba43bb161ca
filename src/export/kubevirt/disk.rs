//! `domain.devices.disks`, and the volumes that they are made of.

use super::Guest;
use serde_json::{Value, json};

impl Guest<'_> {
    pub(super) fn disk(&mut self, i: usize, guest: &str) -> Value {
        let document = self.document;
        let key = |name: &str| format!("disk[{i}].{name}");
        let (name, claim) = (format!("disk{i}"), format!("{guest}-disk{i}"));
        let cdrom = document.on(&key("cdrom")) == Some(true);
        let bus = document.text(&key("bus")).unwrap_or_else(|| if cdrom { "sata" } else { "virtio" }.to_owned());
        let bus = match bus.as_str() {
            "virtio" | "sata" | "scsi" | "usb" => bus,
            other => {
                self.note(key("bus"), format!("KubeVirt has no disks on {other}: sata, which every guest knows"));
                "sata".to_owned()
            }
        };
        let mut disk = json!({"name": name, (if cdrom { "cdrom" } else { "disk" }): {"bus": bus}});
        if !cdrom && document.on(&key("readonly")) == Some(true) {
            disk["disk"]["readonly"] = json!(true);
        }
        if let Some(serial) = document.text(&key("serial")) {
            disk["serial"] = json!(serial);
        }
        if let Some(order) = document.number(&key("boot_index")) {
            disk["bootOrder"] = json!(order + 1);
        }
        match document.text(&key("cache")).as_deref() {
            Some(cache @ ("none" | "writethrough" | "writeback")) => disk["cache"] = json!(cache),
            Some("auto") | None => {}
            Some(_) => document.unread_again(&key("cache")),
        }
        match document.text(&key("aio")).as_deref() {
            Some(aio @ ("native" | "threads")) => disk["io"] = json!(aio),
            Some("auto") | None => {}
            Some(_) => document.unread_again(&key("aio")),
        }
        if document.get(&key("iothread")).is_some() {
            disk["dedicatedIOThread"] = json!(true);
        }
        let sizes = ["logical_block_size", "physical_block_size"].map(|name| document.number(&key(name)));
        if let [Some(logical), Some(physical)] = sizes {
            disk["blockSize"] = json!({"custom": {"logical": logical, "physical": physical}});
        }
        document.settle(&key("format"));
        let file = document.path(&key("file"));
        if let Some(file) = &file {
            let what =
                format!("a volume holds it there: virtctl image-upload pvc {claim} --image-path {file} --size …");
            self.note(key("file"), what);
        }
        if file.is_some() || !cdrom {
            self.volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}));
        }
        disk
    }
}
