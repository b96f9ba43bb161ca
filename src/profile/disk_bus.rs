//! `disk.bus`: how the guest reaches a disk, and the controllers that it takes.

use super::disk::Disk;
use super::usb_controller;
use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::num::NonZeroU16;

/// How the guest reaches a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bus {
    /// A PCI function of its own; fastest, needs a driver in Windows.
    Virtio,
    /// On a virtio SCSI controller.
    Scsi,
    /// An `NVMe` controller of its own; Windows 8.1 and newer have a driver.
    Nvme,
    /// On the chipset's AHCI controller; every guest has a driver.
    Sata,
    /// On the IDE controller of machine `pc`; for the oldest guests.
    Ide,
    /// A USB stick, or a USB CD-ROM drive.
    Usb,
}

impl Bus {
    pub(super) fn takes_iothread(self) -> bool {
        matches!(self, Self::Virtio | Self::Scsi)
    }

    pub(super) fn takes_queues(self) -> bool {
        matches!(self, Self::Virtio | Self::Scsi | Self::Nvme)
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtio => "virtio",
            Self::Scsi => "scsi",
            Self::Nvme => "nvme",
            Self::Sata => "sata",
            Self::Ide => "ide",
            Self::Usb => "usb",
        })
    }
}

/// Controllers that disks made so far.
#[derive(Debug, Default)]
pub(super) struct Controllers {
    /// The SCSI controllers; the index is part of the id.
    scsi: Vec<Scsi>,
    /// Number of AHCI ports in use.
    ports: usize,
    /// Number of places in use on the IDE controller.
    ide: usize,
}

/// A SCSI controller, by the disk that made it.
#[derive(Debug)]
struct Scsi {
    iothread: Option<String>,
    queues: Option<NonZeroU16>,
}

/// Ports of an ICH9 AHCI controller. QEMU: `hw/ide/ich.c`.
const AHCI_PORTS: usize = 6;

/// Two buses of two drives. QEMU: `hw/ide/piix.c`.
const IDE_DRIVES: usize = 4;

/// A disk on its way to its bus.
pub(super) struct Drive<'a> {
    pub(super) disk: &'a Disk,
    /// Has all but its driver and place.
    pub(super) device: Value,
    pub(super) iothread: Option<&'a str>,
    /// What tells it from the other disks.
    pub(super) name: String,
}

/// Puts a drive on the bus of its disk.
pub(super) fn attach(drive: Drive<'_>, controllers: &mut Controllers, origin: &Origin, draft: &mut Draft) {
    let Drive { disk, mut device, iothread, name } = drive;
    let (kind, bus) = match disk.bus() {
        Bus::Virtio => {
            let device = virtio(disk, device, iothread);
            return place_named(&name, device, origin, draft);
        }
        Bus::Nvme => {
            device["driver"] = json!("nvme");
            if let Some(queues) = disk.queues {
                device["max_ioqpairs"] = json!(queues);
            }
            return place_named(&name, device, origin, draft);
        }
        Bus::Scsi => (("scsi-cd", "scsi-hd"), scsi(disk, iothread, controllers, origin, draft)),
        Bus::Sata => (("ide-cd", "ide-hd"), ahci(controllers, origin, draft)),
        Bus::Ide => {
            let (bus, unit) = ide(controllers, origin, draft);
            device["unit"] = json!(unit);
            (("ide-cd", "ide-hd"), bus)
        }
        Bus::Usb => (("scsi-cd", "usb-storage"), usb(disk, &mut device, origin, draft)),
    };
    device["driver"] = json!(if disk.cdrom { kind.0 } else { kind.1 });
    device["bus"] = json!(bus);
    draft.contents.argv.device(&device, origin.clone());
}

fn virtio(disk: &Disk, mut device: Value, iothread: Option<&str>) -> Value {
    device["driver"] = json!("virtio-blk-pci");
    if let Some(queues) = disk.queues {
        device["num-queues"] = json!(queues);
    }
    if let Some(iothread) = iothread {
        device["iothread"] = json!(iothread);
    }
    if !disk.iothread_queues.is_empty() {
        let mapping = disk.iothread_queues.iter().map(|id| json!({"iothread": id.as_str()}));
        device["iothread-vq-mapping"] = mapping.collect();
    }
    device
}

/// Gives a PCI device, of which a guest has one or few of a kind, a place of its table and adds it.
pub(super) fn place(device: Value, origin: &Origin, draft: &mut Draft) {
    place_among(&origin.key, device, origin, draft);
}

/// Gives a PCI device a place of `table` and adds it; for a device that another table asked for.
pub(super) fn place_among(table: &str, device: Value, origin: &Origin, draft: &mut Draft) {
    let first = table.split(['[', '.']).next().unwrap_or_default();
    let name = format!("{first} {}", device["driver"].as_str().unwrap_or_default());
    seat(table, &name, device, origin, draft);
}

/// Gives the PCI device that `name` tells from all others a place of its table and adds it.
pub(super) fn place_named(name: &str, device: Value, origin: &Origin, draft: &mut Draft) {
    seat(&origin.key, name, device, origin, draft);
}

/// Gives a PCI device a place on the root bus itself, where a root port is no place for it, and adds it.
pub(super) fn place_on_root(mut device: Value, origin: &Origin, draft: &mut Draft) {
    let table = origin.key.split(['[', '.']).next().unwrap_or_default();
    let name = format!("{table} {}", device["driver"].as_str().unwrap_or_default());
    match draft.slots.endpoint(&mut draft.contents.argv, table, &name, origin) {
        Some(place) => {
            place.onto(&mut device);
            draft.contents.argv.device(&device, origin.clone());
        }
        None => draft.refuse(Problem::new(Class::Invalid, &origin.key, "the guest's PCI bus is full")),
    }
}

fn seat(table: &str, name: &str, mut device: Value, origin: &Origin, draft: &mut Draft) {
    match draft.slots.next(&mut draft.contents.argv, table, name, origin) {
        Some(place) => {
            place.onto(&mut device);
            draft.contents.argv.device(&device, origin.clone());
        }
        None => draft.refuse(Problem::new(Class::Invalid, &origin.key, "the guest's PCI bus is full")),
    }
}

fn scsi(
    disk: &Disk,
    iothread: Option<&str>,
    controllers: &mut Controllers,
    origin: &Origin,
    draft: &mut Draft,
) -> String {
    let queues = disk.queues;
    let known = controllers.scsi.iter().position(|of| of.iothread.as_deref() == iothread);
    if let Some(known) = known
        && queues.is_some()
        && controllers.scsi[known].queues != queues
    {
        let what = "the SCSI controller of this disk was made by an earlier one, with another number of queues";
        draft.refuse(
            Problem::new(Class::Invalid, format!("{}.queues", origin.key), what)
                .fix("queues at the first disk of the controller   # or iothread = true, for a controller of its own"),
        );
    }
    let index = known.unwrap_or_else(|| {
        let index = controllers.scsi.len();
        let mut controller = json!({"driver": "virtio-scsi-pci", "id": format!("scsi{index}")});
        if let Some(queues) = queues {
            controller["num_queues"] = json!(queues);
        }
        if let Some(iothread) = iothread {
            controller["iothread"] = json!(iothread);
        }
        controllers.scsi.push(Scsi { iothread: iothread.map(str::to_owned), queues });
        place(controller, &Origin::derived(&origin.key, "SCSI disks sit on a controller"), draft);
        index
    });
    format!("scsi{index}.0")
}

/// Bus and unit of the next free place of the IDE controller.
fn ide(controllers: &mut Controllers, origin: &Origin, draft: &mut Draft) -> (String, usize) {
    let place = controllers.ide;
    controllers.ide += 1;
    if place == IDE_DRIVES {
        let what = format!("the IDE controller has {IDE_DRIVES} places");
        draft.refuse(Problem::new(Class::Invalid, format!("{}.bus", origin.key), what).fix("bus = \"sata\""));
    }
    (format!("ide.{}", place / 2), place % 2)
}

/// Bus of a USB disk. A stick is one device; a CD-ROM drive, which may be empty, is SCSI behind a USB bridge.
fn usb(disk: &Disk, device: &mut Value, origin: &Origin, draft: &mut Draft) -> String {
    if !disk.cdrom {
        // usb-storage takes the cache mode from its node.
        device.as_object_mut().map(|device| device.shift_remove("write-cache"));
        return usb_controller::BUS.into();
    }
    let id = format!("{}-usb", device["id"].as_str().unwrap_or_default());
    let bridge = json!({"driver": "usb-bot", "id": id, "bus": usb_controller::BUS});
    let origin = Origin::derived(&origin.key, "a CD-ROM drive on USB is SCSI behind a bridge");
    draft.contents.argv.device(&bridge, origin);
    format!("{id}.0")
}

fn ahci(controllers: &mut Controllers, origin: &Origin, draft: &mut Draft) -> String {
    let port = controllers.ports;
    controllers.ports += 1;
    let (controller, port) = (port / AHCI_PORTS, port % AHCI_PORTS);
    // A q35 has one of its own; QEMU names its ports ide.0 to ide.5.
    let own = draft.slots.chipset() == Chipset::Q35;
    if own && controller == 0 {
        return format!("ide.{port}");
    }
    let id = match controller - usize::from(own) {
        0 => "ahci".to_owned(),
        index => format!("ahci{index}"),
    };
    if port == 0 {
        let why = if controller > 0 {
            "the ports before are taken"
        } else {
            "this chipset has no SATA controller of its own"
        };
        place(json!({"driver": "ich9-ahci", "id": id}), &Origin::derived(&origin.key, why), draft);
    }
    format!("{id}.{port}")
}
