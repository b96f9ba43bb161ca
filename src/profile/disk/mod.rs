//! `[[disk]]`: disks and CD-ROM drives.

mod identity;
mod image;
mod io;
mod judge;
mod node;
mod start;
mod throttle;
mod way;

use super::boot_order::BootOrder;
use super::disk_bus::{self, Bus, Drive};
use super::iothread::{self, Iothread, IothreadId};
use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Draft, Identity, Nameless, Origin};
use identity::{BlockSize, RotationRate, Serial, Wwn};
use io::{Aio, Cache, DetectZeroes, Format};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;
use throttle::Throttle;
use way::Way;

/// A disk or a CD-ROM drive; QEMU's `-blockdev` and `-device`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Disk {
    /// Image file or block device; a CD-ROM drive may be empty. QEMU: `filename` of the lower node.
    pub(super) file: Option<PathBuf>,
    /// Format of `file`, never guessed; `raw` for a CD-ROM drive unless given. QEMU: the driver of the upper node.
    format: Option<Format>,
    /// How the guest reaches it; `virtio` unless given, `sata` for a CD-ROM drive.
    bus: Option<Bus>,
    /// How the host caches it; `none` unless given where its file system allows that, else `writeback`, as for a disk that
    /// is only read. QEMU: `cache.direct`, `cache.no-flush`, `write-cache`.
    cache: Option<Cache>,
    /// How QEMU reads and writes it; `io_uring` unless given where QEMU and the kernel have it, else `native` past the
    /// host's cache, and `threads` through it. QEMU: `aio`.
    aio: Option<Aio>,
    /// The thread that does its work: true for one of its own, false for QEMU's main thread, or the id of one that disks
    /// share; unless given, `iothread1`, which all such disks on `virtio` and `scsi` share. QEMU: `iothread`.
    pub(super) iothread: Option<Iothread>,
    /// Iothreads that share the queues of a virtio disk, which take turns. QEMU 9.0 and newer: `iothread-vq-mapping`.
    #[serde(default)]
    pub(super) iothread_queues: Vec<IothreadId>,
    /// Number of queues, also of the SCSI controller that the disk sits on; one for each vCPU unless given, 64 on
    /// `nvme`. QEMU: `num-queues`, `num_queues`, `max_ioqpairs`.
    pub(super) queues: Option<NonZeroU16>,
    /// Place in the firmware's boot order, lowest first; without any, disks boot in the order of the profile. QEMU:
    /// `bootindex`.
    pub(super) boot_index: Option<u16>,
    /// Serial number shown to the guest; none unless given, but on `nvme`, where it is kept from run to run: it stays when
    /// another disk comes or goes. QEMU: `serial`.
    pub(super) serial: Option<Serial>,
    /// World wide name shown to the guest, on `scsi`, `sata` and `ide`; none unless given. QEMU: `wwn`.
    wwn: Option<Wwn>,
    /// Turns a minute shown to the guest, on `scsi`, `sata` and `ide`: 1 for an SSD; not said unless given. QEMU:
    /// `rotation_rate`.
    rotation_rate: Option<RotationRate>,
    /// Bytes in the smallest block that the guest can address; 512 unless given. QEMU: `logical_block_size`.
    logical_block_size: Option<BlockSize>,
    /// Bytes in the block that the disk writes at once; as logical ones unless given. QEMU: `physical_block_size`.
    physical_block_size: Option<BlockSize>,
    /// Whether the guest cannot write to it; it can unless given. QEMU: `read-only`.
    #[serde(default)]
    pub(super) readonly: bool,
    /// Whether space that the guest frees is given back; it is unless given. QEMU: `discard`.
    discard: Option<bool>,
    /// What becomes of zeroes that the guest writes; written as they are unless given. QEMU: `detect-zeroes`.
    detect_zeroes: Option<DetectZeroes>,
    /// How fast it may be used; as fast as it can unless given.
    throttle: Option<Throttle>,
    /// Whether it is a CD-ROM drive; off unless given. QEMU: `scsi-cd`, `ide-cd`.
    #[serde(default)]
    pub(super) cdrom: bool,
}

impl Disk {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.file.as_deref().map(|file| setting.resolve(file))
    }

    pub(super) fn bus(&self) -> Bus {
        self.bus.unwrap_or(if self.cdrom { Bus::Sata } else { Bus::Virtio })
    }

    /// What tells it from the other disks, whatever their order: its file. A CD-ROM drive is one whatever lies in it.
    fn name(&self, setting: &Setting) -> String {
        match self.paths(setting).filter(|_| !self.cdrom) {
            Some(path) => format!("disk {}", path.display()),
            None => "disk cd-rom".to_owned(),
        }
    }

    /// Whether it gives back space that the guest frees.
    fn discards(&self) -> bool {
        self.discard.unwrap_or(!self.read_only())
    }

    /// Whether its work is done in the iothread that disks share unless told otherwise.
    pub(super) fn shares_iothread(&self) -> bool {
        self.iothread.is_none() && self.iothread_queues.is_empty() && self.bus().takes_iothread()
    }

    fn read_only(&self) -> bool {
        self.readonly || self.cdrom
    }

    /// Properties that every kind of drive has.
    fn device(&self, i: usize, way: &Way, (node, serial): (Option<&str>, Option<&Identity>)) -> Value {
        let mut device = json!({"id": format!("drive{i}")});
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                device[name] = value;
            }
        };
        let given = self.serial.as_ref().map(|Serial(serial)| serial);
        let serial = given.or(serial.map(|Identity { text, .. }| text));
        // QEMU takes 512 for physical blocks too, and refuses larger logical ones then.
        let physical = self.physical_block_size.or(self.logical_block_size);
        set("drive", node.map(|node| json!(node)));
        set("serial", serial.map(|serial| json!(serial)));
        // QEMU before 10.0 cuts a long serial number for it, and 10.0 refuses one.
        let device_id = self.serial.as_ref().filter(|_| self.bus() == Bus::Scsi).and_then(Serial::device_id);
        set("device_id", device_id.map(|id| json!(id)));
        set("wwn", self.wwn.map(|Wwn(wwn)| json!(wwn)));
        set("rotation_rate", self.rotation_rate.map(|RotationRate(rate)| json!(rate)));
        set("logical_block_size", self.logical_block_size.map(|BlockSize(size)| json!(size)));
        set("physical_block_size", physical.map(|BlockSize(size)| json!(size)));
        set("write-cache", (!self.cdrom).then(|| json!(way.cache.write_cache())));
        device
    }
}

pub(super) fn draft(disks: &[Disk], order: &BootOrder, scene: &Scene, draft: &mut Draft) {
    iothread::draft(disks, draft);
    image::judge(disks, scene, draft);
    start::judge(disks, order, scene, draft);
    let iothreads = iothread::of_disks(disks);
    let mut controllers = disk_bus::Controllers::default();
    let serials = serials(disks, scene, draft);
    for (i, (disk, iothread)) in disks.iter().zip(&iothreads).enumerate() {
        disk.judge(i, scene, draft);
        let way = disk.way(scene);
        way.judge(i, draft);
        let node = disk.draft_nodes(i, &way, scene, draft);
        let mut device = disk.device(i, &way, (node.as_deref(), serials.get(&i)));
        if let Some(index) = order.disks[i] {
            device["bootindex"] = json!(index);
        }
        let origin = Origin::given(format!("disk[{i}]"));
        let name = disk.name(scene.setting);
        let drive = Drive { disk, device, iothread: iothread.as_deref(), name };
        disk_bus::attach(drive, &mut controllers, &origin, draft);
        if let Some(Identity { kept, .. }) = serials.get(&i).filter(|_| disk.serial.is_none()) {
            let why = if *kept { KEPT } else { NEW };
            draft.contents.argv.explain(&format!("drive{i}"), Origin::derived(format!("disk[{i}].serial"), why));
        }
    }
}

const KEPT: &str = "kept from the last start, so that the guest knows the disk again";
const NEW: &str = "an NVMe controller without a serial number is refused; kept from now on";

/// Serial numbers of the disks, by index, that must have one: QEMU refuses an `NVMe` controller without.
fn serials(disks: &[Disk], scene: &Scene, draft: &mut Draft) -> BTreeMap<usize, Identity> {
    let (turns, nameless): (Vec<_>, Vec<_>) = disks
        .iter()
        .enumerate()
        .filter(|(_, disk)| disk.bus() == Bus::Nvme)
        .map(|(turn, disk)| {
            let given = disk.serial.as_ref().map(|Serial(serial)| serial.clone());
            (turn, Nameless { name: disk.name(scene.setting), turn, given })
        })
        .unzip();
    let serials = draft.identities.deal(&nameless, |turn| format!("vmrun-{turn}"));
    turns.into_iter().zip(serials).collect()
}
