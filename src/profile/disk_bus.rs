//! `disk.bus`: how the guest reaches a disk, and the controllers that it takes.

use super::disk::Disk;
use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;

/// How the guest reaches a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bus {
    /// A PCI function of its own; fastest, needs a driver in Windows.
    Virtio,
    /// On a virtio SCSI controller.
    Scsi,
    /// On the chipset's AHCI controller; every guest has a driver.
    Sata,
    /// A USB stick.
    Usb,
}

impl Bus {
    pub(super) fn takes_iothread(self) -> bool {
        matches!(self, Self::Virtio | Self::Scsi)
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtio => "virtio",
            Self::Scsi => "scsi",
            Self::Sata => "sata",
            Self::Usb => "usb",
        })
    }
}

/// Controllers that disks made so far.
#[derive(Debug, Default)]
pub(super) struct Controllers {
    /// The iothread of each SCSI controller; the index is part of its id.
    scsi: Vec<Option<String>>,
    /// Number of AHCI ports in use.
    ports: usize,
}

/// Ports of an ICH9 AHCI controller. QEMU: `hw/ide/ich.c`.
const AHCI_PORTS: usize = 6;

/// Puts `device`, which has all but its driver and place, on the bus of `disk`.
pub(super) fn attach(
    disk: &Disk,
    mut device: Value,
    iothread: Option<&str>,
    controllers: &mut Controllers,
    origin: &Origin,
    draft: &mut Draft,
) {
    let (kind, bus) = match disk.bus() {
        Bus::Virtio => {
            device["driver"] = json!("virtio-blk-pci");
            if let Some(iothread) = iothread {
                device["iothread"] = json!(iothread);
            }
            return place(device, origin, draft);
        }
        Bus::Scsi => (("scsi-cd", "scsi-hd"), scsi(iothread, controllers, origin, draft)),
        Bus::Sata => (("ide-cd", "ide-hd"), ahci(controllers, origin, draft)),
        Bus::Usb => (("usb-storage", "usb-storage"), "xhci.0".to_owned()),
    };
    device["driver"] = json!(if disk.cdrom { kind.0 } else { kind.1 });
    device["bus"] = json!(bus);
    if disk.bus() == Bus::Usb {
        // usb-storage takes the cache mode from its node.
        device.as_object_mut().map(|device| device.shift_remove("write-cache"));
    }
    draft.contents.argv.device(&device, origin.clone());
}

/// Gives a PCI device the next free place and adds it.
pub(super) fn place(mut device: Value, origin: &Origin, draft: &mut Draft) {
    match draft.slots.next(&mut draft.contents.argv, origin) {
        Some(place) => {
            place.onto(&mut device);
            draft.contents.argv.device(&device, origin.clone());
        }
        None => draft.refuse(Problem::new(Class::Invalid, &origin.key, "the guest's PCI bus is full")),
    }
}

fn scsi(iothread: Option<&str>, controllers: &mut Controllers, origin: &Origin, draft: &mut Draft) -> String {
    let known = controllers.scsi.iter().position(|of| of.as_deref() == iothread);
    let index = known.unwrap_or_else(|| {
        let index = controllers.scsi.len();
        let mut controller = json!({"driver": "virtio-scsi-pci", "id": format!("scsi{index}")});
        if let Some(iothread) = iothread {
            controller["iothread"] = json!(iothread);
        }
        controllers.scsi.push(iothread.map(str::to_owned));
        place(controller, &Origin::derived(&origin.key, "SCSI disks sit on a controller"), draft);
        index
    });
    format!("scsi{index}.0")
}

fn ahci(controllers: &mut Controllers, origin: &Origin, draft: &mut Draft) -> String {
    let port = controllers.ports;
    controllers.ports += 1;
    if port == AHCI_PORTS {
        let what = format!("the SATA controller has {AHCI_PORTS} ports");
        draft.refuse(Problem::new(Class::Invalid, format!("{}.bus", origin.key), what).fix("bus = \"scsi\""));
    }
    if draft.slots.chipset() == Chipset::Q35 {
        // The chipset's own controller; QEMU names its ports ide.0 to ide.5.
        return format!("ide.{port}");
    }
    if port == 0 {
        let origin = Origin::derived(&origin.key, "this chipset has no SATA controller of its own");
        place(json!({"driver": "ich9-ahci", "id": "ahci"}), &origin, draft);
    }
    format!("ahci.{port}")
}
