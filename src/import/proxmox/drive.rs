//! Disks, and where Proxmox keeps them.

use super::{Fate, Guest, Page, Row, Value};
use std::path::Path;

/// The file of a volume; `None` when only `pvesm` knows it.
///
/// The storages are those that an installation of Proxmox makes. A guest made of a template names that one first:
/// `base-9000-disk-0/vm-100-disk-0`, `9000/base-9000-disk-0.qcow2/100/vm-100-disk-0.qcow2`. Source: `PVE/Storage/*.pm`,
/// `parse_volname`.
pub(super) fn file(volume: &str) -> Option<String> {
    if volume.starts_with('/') {
        return Some(volume.into());
    }
    let (storage, name) = volume.split_once(':')?;
    let parts: Vec<_> = name.split('/').collect();
    match (storage, &parts[..]) {
        ("local", ["iso" | "import" | "snippets", ..]) => {
            let folder = if parts[0] == "iso" { "template/" } else { "" };
            Some(format!("/var/lib/vz/{folder}{name}"))
        }
        ("local", [guest, image] | [_, _, guest, image]) => Some(format!("/var/lib/vz/images/{guest}/{image}")),
        ("local-lvm", [.., image]) => Some(format!("/dev/pve/{image}")),
        ("local-zfs", [.., image]) => Some(format!("/dev/zvol/rpool/data/{image}")),
        _ => None,
    }
}

impl Guest<'_> {
    pub(super) fn drive(&mut self, row: &Row, bus: &str) -> Fate {
        let value = Value::of(&row.value, "file");
        let cdrom = value.get("media") == Some("cdrom");
        let empty = cdrom && matches!(value.first, "none" | "");
        let known = if empty { None } else { file(value.first) };
        if row.value.contains("cloudinit") {
            return Fate::Lost("cloud-init is not fed; its drive can be made with cloud-localds".into());
        }
        let id = format!("drive-{}", row.key);
        let mut drive = format!("if=none,id={id}");
        // What only Proxmox knows stands there until the profile is whole, and asks then.
        let path = known.as_deref().unwrap_or(value.first);
        if known.is_some() || !cdrom {
            drive = format!("{drive},file={}", path.replace(',', ",,"));
        }
        if cdrom {
            drive += ",media=cdrom";
        } else {
            drive += &Self::kept(&value, path);
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
            device = format!("{device},iothread=iothread-{}", row.key);
        }
        device += &self.boot_index(&row.key);
        self.push(row.line, &["-drive", &drive, "-device", &device]);
        if known.is_some() || empty {
            return Fate::Kept;
        }
        if cdrom {
            self.page.tail(format!(
                "To decide: the drive of {} is empty. What lay in it is what `pvesm path {}` tells.",
                row.key, value.first
            ));
            return Fate::Asked("which disc it is: only Proxmox knows its storages".into());
        }
        self.unknown.push(value.first.to_owned());
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

/// Has the disks of `volumes` wait for their files.
pub(super) fn ask(volumes: &[String], page: &mut Page) {
    for volume in volumes {
        let own = page.list("disk").iter_mut().filter(|disk| disk.text("file") == Some(volume));
        own.for_each(|disk| {
            disk.put_off(format!("`pvesm path {volume}` tells where it is, on a host that has the storage:"));
        });
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
