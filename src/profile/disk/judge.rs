//! What a bus, a format or another disk does not allow.

use super::Disk;
use super::identity::{SECTOR, Serial};
use crate::plan::{Chipset, Class, Draft, Problem};
use crate::profile::disk_bus::Bus;
use crate::profile::iothread::{self, Iothread};
use crate::profile::scene::Scene;
use crate::unit::Version;

/// First QEMU that spreads the queues of a disk over iothreads. QEMU: `qapi/virtio.json`.
const QUEUE_MAPPING: Version = Version::new(9, 0);

/// A refusal on one key of a disk.
struct Refusal<'a> {
    name: &'a str,
    what: String,
    why: &'a str,
    fix: &'a str,
}

impl Disk {
    pub(super) fn judge(&self, i: usize, scene: &Scene, draft: &mut Draft) {
        let found = [
            self.judge_iothread(scene),
            self.judge_ids(),
            self.judge_queues(),
            self.judge_cdrom(),
            self.judge_readonly(),
            self.judge_chipset(draft.slots.chipset()),
            self.judge_serial(),
            self.judge_names(),
            self.judge_blocks(),
        ];
        for Refusal { name, what, why, fix } in found.into_iter().flatten() {
            draft.refuse(Problem::new(Class::Invalid, format!("disk[{i}].{name}"), what).why(why).fix(fix));
        }
    }

    fn names_iothread(&self) -> bool {
        self.iothread.as_ref().is_some_and(|thread| *thread != Iothread::Main)
    }

    fn judge_iothread(&self, scene: &Scene) -> Option<Refusal<'static>> {
        let bus = self.bus();
        if self.names_iothread() && !bus.takes_iothread() {
            return Some(Refusal {
                name: "iothread",
                what: format!("a disk on {bus} has no iothread"),
                why: "only virtio devices leave QEMU's main thread",
                fix: "bus = \"virtio\"   # or \"scsi\"",
            });
        }
        if self.iothread_queues.is_empty() {
            return None;
        }
        let refuse = |what: String, why, fix| Some(Refusal { name: "iothread_queues", what, why, fix });
        match scene.version {
            _ if bus != Bus::Virtio => {
                refuse(format!("a disk on {bus} does not spread its queues over iothreads"), "", "bus = \"virtio\"")
            }
            _ if self.names_iothread() => {
                refuse("iothread stands beside iothread_queues".into(), "", "leave iothread out")
            }
            Some(version) if version < QUEUE_MAPPING => refuse(
                format!("QEMU {version} does a disk's work in one iothread"),
                "QEMU 9.0 is the first that spreads queues over several",
                "iothread = true",
            ),
            _ => None,
        }
    }

    fn judge_ids(&self) -> Option<Refusal<'static>> {
        let refuse = |name, what: String, why, fix| Some(Refusal { name, what, why, fix });
        let queues = self.iothread_queues.iter().map(|id| ("iothread_queues", id.as_str()));
        let shared = self.iothread.as_ref().and_then(Iothread::shared).map(|id| ("iothread", id));
        if let Some((name, id)) = shared.into_iter().chain(queues).find(|(_, id)| iothread::is_own(id)) {
            let why = "QEMU has one list of names for objects of all kinds";
            return refuse(name, format!("{id} is an id of vmrun's own"), why, "another id, like \"io0\"");
        }
        let mut turns = self.iothread_queues.iter().enumerate();
        let (_, twice) = turns.find(|(i, id)| self.iothread_queues[..*i].contains(id))?;
        refuse("iothread_queues", format!("{} stands there twice", twice.as_str()), "", "each iothread once")
    }

    fn judge_queues(&self) -> Option<Refusal<'static>> {
        let (bus, queues) = (self.bus(), self.queues?.get());
        let refuse = |what: String, why, fix| Some(Refusal { name: "queues", what, why, fix });
        if !bus.takes_queues() {
            return refuse(
                format!("a disk on {bus} has one queue"),
                "",
                "bus = \"virtio\"   # or \"scsi\" or \"nvme\"",
            );
        }
        // QEMU: `VIRTIO_QUEUE_MAX`, `include/hw/virtio/virtio.h`.
        match (bus, queues) {
            (Bus::Virtio, 1025..) => {
                refuse(format!("{queues} queues; a virtio disk has at most 1024"), "", "queues = 1024")
            }
            (Bus::Scsi, 1023..) => refuse(
                format!("{queues} queues; a SCSI controller has at most 1022"),
                "of the 1024 of a virtio device it needs two for itself",
                "queues = 1022",
            ),
            _ => None,
        }
    }

    fn judge_cdrom(&self) -> Option<Refusal<'static>> {
        let name = match self.bus() {
            Bus::Virtio => "virtio",
            Bus::Nvme => "NVMe",
            Bus::Scsi | Bus::Sata | Bus::Ide | Bus::Usb => return None,
        };
        self.cdrom.then(|| Refusal {
            name: "bus",
            what: format!("{name} has no CD-ROM drives"),
            why: "",
            fix: "bus = \"sata\"   # or \"scsi\"",
        })
    }

    fn judge_readonly(&self) -> Option<Refusal<'static>> {
        let name = match self.bus() {
            Bus::Sata => "a SATA disk",
            Bus::Ide => "an IDE disk",
            Bus::Virtio | Bus::Scsi | Bus::Nvme | Bus::Usb => return None,
        };
        (self.readonly && !self.cdrom).then(|| Refusal {
            name: "readonly",
            what: format!("{name} cannot be read-only"),
            why: "",
            fix: "bus = \"virtio\"   # or \"scsi\"",
        })
    }

    fn judge_chipset(&self, chipset: Chipset) -> Option<Refusal<'static>> {
        (self.bus() == Bus::Ide && chipset == Chipset::Q35).then(|| Refusal {
            name: "bus",
            what: "machine q35 has no IDE controller".into(),
            why: "",
            fix: "bus = \"sata\"   # or machine.type = \"pc\"",
        })
    }

    /// A virtio disk and an `NVMe` controller hold 20 bytes, and so does ATA's IDENTIFY DEVICE; SCSI's VPD page 0x80
    /// 36 of QEMU's. QEMU: `hw/scsi/scsi-disk.c`, `scsi_disk_emulate_vpd_page`. A USB disk has that page too, and of QEMU 10.0
    /// no more than its device id holds.
    fn judge_serial(&self) -> Option<Refusal<'static>> {
        let Serial(serial) = self.serial.as_ref()?;
        let bus = self.bus();
        let most = if bus == Bus::Scsi { 36 } else { 20 };
        (serial.len() > most).then(|| Refusal {
            name: "serial",
            what: format!("`{serial}` is {} bytes; a disk on {bus} shows {most}", serial.len()),
            why: "",
            fix: "a shorter serial, or bus = \"scsi\", which shows 36",
        })
    }

    fn judge_names(&self) -> Option<Refusal<'static>> {
        let bus = self.bus();
        let ata_or_scsi = matches!(bus, Bus::Scsi | Bus::Sata | Bus::Ide);
        let refuse = |name, what| Some(Refusal { name, what, why: "", fix: "bus = \"scsi\"   # or \"sata\"" });
        if self.wwn.is_some() && !ata_or_scsi {
            return refuse("wwn", format!("a disk on {bus} has no world wide name"));
        }
        if self.rotation_rate.is_some() && (self.cdrom || !ata_or_scsi) {
            let drive = if self.cdrom { "a CD-ROM drive".into() } else { format!("a disk on {bus}") };
            return refuse("rotation_rate", format!("{drive} does not say how fast it turns"));
        }
        None
    }

    fn judge_blocks(&self) -> Option<Refusal<'static>> {
        let (logical, physical) = (self.logical_block_size?, self.physical_block_size);
        let refuse = |name, what, fix| Some(Refusal { name, what, why: "", fix });
        if matches!(self.bus(), Bus::Sata | Bus::Ide) && logical != SECTOR {
            return refuse(
                "logical_block_size",
                format!("a disk on {} has logical blocks of 512 bytes", self.bus()),
                "physical_block_size = 4096   # or bus = \"scsi\"",
            );
        }
        if physical.is_some_and(|physical| physical < logical) {
            return refuse(
                "physical_block_size",
                format!("a logical block of {} bytes does not fit a smaller physical one", logical.0),
                "physical_block_size at least as large",
            );
        }
        None
    }
}
