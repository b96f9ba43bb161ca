//! Disks, and where Proxmox keeps them.

use super::{Fate, Guest, Row, Value};
use std::path::Path;

/// The file of a volume, and whether that is sure.
///
/// The storages are those that an installation of Proxmox makes; of others only `pvesm` knows.
pub(super) fn file(volume: &str) -> (String, bool) {
    if volume.starts_with('/') {
        return (volume.into(), true);
    }
    let Some((storage, name)) = volume.split_once(':') else { return (volume.into(), false) };
    match storage {
        "local" if name.starts_with("iso/") => (format!("/var/lib/vz/template/{name}"), true),
        "local" => (format!("/var/lib/vz/images/{name}"), true),
        "local-lvm" => (format!("/dev/pve/{name}"), true),
        "local-zfs" => (format!("/dev/zvol/rpool/data/{name}"), true),
        _ => (volume.into(), false),
    }
}

impl Guest<'_> {
    pub(super) fn drive(&mut self, row: &Row, bus: &str) -> Fate {
        let value = Value::of(&row.value, "file");
        let cdrom = value.get("media") == Some("cdrom");
        let (path, sure) = file(value.first);
        if row.value.contains("cloudinit") {
            return Fate::Lost("cloud-init is not fed; its drive can be made with cloud-localds".into());
        }
        let id = format!("drive-{}", row.key);
        let mut drive = format!("if=none,id={id}");
        if !(cdrom && matches!(value.first, "none" | "cdrom")) {
            drive = format!("{drive},file={}", path.replace(',', ",,"));
        }
        if cdrom {
            drive += ",media=cdrom";
        } else {
            drive += &Self::kept(&value, &path);
        }
        let mut device = format!("{},drive={id}", driver(bus, cdrom));
        if bus == "sata" {
            device = format!("{device},bus=ahci0.{}", row.key.trim_start_matches("sata"));
        }
        if value.is_on("ssd") {
            device += ",rotation_rate=1";
        }
        for key in ["serial", "wwn"] {
            if let Some(text) = value.get(key) {
                device = format!("{device},{key}={text}");
            }
        }
        if value.is_on("iothread") && matches!(bus, "virtio" | "scsi") {
            self.push(row.line, &["-object", &format!("iothread,id=iothread-{}", row.key)]);
            if bus == "virtio" {
                device = format!("{device},iothread=iothread-{}", row.key);
            }
        }
        device += &self.boot_index(&row.key);
        self.push(row.line, &["-drive", &drive, "-device", &device]);
        if sure || cdrom && path == "none" {
            return Fate::Kept;
        }
        self.page
            .tail(format!("To decide: `pvesm path {}` tells the file of {}; write it there.", value.first, row.key));
        Fate::Asked("which file it is: only Proxmox knows its storages".into())
    }

    /// How the host has it. Proxmox goes past its cache unless told.
    fn kept(value: &Value<'_>, path: &str) -> String {
        let qcow2 =
            Path::new(path).extension().is_some_and(|end| end == "qcow2") || value.get("format") == Some("qcow2");
        let format = if qcow2 { "qcow2" } else { value.get("format").unwrap_or("raw") };
        let cache = value.get("cache").unwrap_or("none");
        // QEMU: native needs a cache that is gone past.
        let aio = value.get("aio").unwrap_or(if matches!(cache, "none" | "directsync") { "native" } else { "threads" });
        let mut text = format!(",format={format},cache={cache},aio={aio}");
        if value.get("discard") == Some("on") {
            text += ",discard=unmap,detect-zeroes=unmap";
        }
        if value.is_on("ro") {
            text += ",readonly=on";
        }
        for (key, option) in [
            ("mbps_rd", "throttling.bps-read"),
            ("mbps_wr", "throttling.bps-write"),
            ("iops_rd", "throttling.iops-read"),
            ("iops_wr", "throttling.iops-write"),
        ] {
            if let Some(number) = value.get(key).and_then(|number| number.parse::<u64>().ok()) {
                let number = if key.starts_with("mbps") { number << 20 } else { number };
                text = format!("{text},{option}={number}");
            }
        }
        text
    }

    /// `,bootindex=N` for what the guest is booted from.
    pub(super) fn boot_index(&self, key: &str) -> String {
        let boot = self.value("boot").unwrap_or_default();
        let turn = match boot.strip_prefix("order=") {
            Some(order) => order.split([';', ',']).position(|name| name.trim() == key),
            // Of old: letters for kinds, and the disk by its name.
            None => (self.value("bootdisk") == Some(key)).then_some(0),
        };
        turn.map_or_else(String::new, |turn| format!(",bootindex={}", turn + 1))
    }
}

fn driver(bus: &str, cdrom: bool) -> &'static str {
    match (bus, cdrom) {
        ("scsi", false) => "scsi-hd",
        ("scsi", true) => "scsi-cd",
        ("virtio", _) => "virtio-blk-pci",
        (_, false) => "ide-hd",
        (_, true) => "ide-cd",
    }
}
