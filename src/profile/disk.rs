//! `[[disk]]`: disks and CD-ROM drives.

use super::disk_bus::{self, Bus};
use super::iothread::{self, Iothread};
use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Class, Draft, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A disk or a CD-ROM drive; QEMU's `-blockdev` and `-device`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Disk {
    /// Image file or block device; a CD-ROM drive may be empty.
    pub(super) file: Option<PathBuf>,
    /// Format of `file`, never guessed; `raw` for a CD-ROM drive unless given.
    format: Option<Format>,
    /// How the guest reaches it; `virtio` unless given, `sata` for a CD-ROM drive.
    bus: Option<Bus>,
    /// How the host caches it; `writeback` unless given.
    #[serde(default)]
    cache: Cache,
    /// How QEMU reads and writes it; `threads` unless given.
    #[serde(default)]
    aio: Aio,
    /// The thread that does its work.
    #[serde(default)]
    pub(super) iothread: Iothread,
    /// Place in the firmware's boot order.
    pub(super) boot_index: Option<u16>,
    /// Serial number shown to the guest.
    pub(super) serial: Option<Serial>,
    /// Keeps the guest from writing to it.
    #[serde(default)]
    pub(super) readonly: bool,
    /// Whether space that the guest frees is given back.
    #[serde(default)]
    discard: bool,
    /// Whether it is a CD-ROM drive.
    #[serde(default)]
    pub(super) cdrom: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Raw,
    Qcow2,
}

/// How the host caches a disk. QEMU: `docs/system/qemu-block-drivers`, the table of `cache=` in `qemu-options.hx`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Cache {
    None,
    #[default]
    Writeback,
    Writethrough,
    Directsync,
    Unsafe,
}

impl Cache {
    /// Whether the host's page cache is passed by.
    fn direct(self) -> bool {
        matches!(self, Self::None | Self::Directsync)
    }

    /// Whether the guest's flushes are thrown away.
    fn no_flush(self) -> bool {
        self == Self::Unsafe
    }

    /// Whether the guest sees a volatile write cache.
    fn write_cache(self) -> &'static str {
        match self {
            Self::None | Self::Writeback | Self::Unsafe => "on",
            Self::Writethrough | Self::Directsync => "off",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum Aio {
    #[default]
    #[serde(rename = "threads")]
    Threads,
    #[serde(rename = "native")]
    Native,
    #[serde(rename = "io_uring")]
    IoUring,
}

impl Aio {
    fn as_str(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Native => "native",
            Self::IoUring => "io_uring",
        }
    }
}

/// Serial number of a disk: 1 to 20 printable ASCII characters, as virtio and ATA hold them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[!-~]{1,20}$", "examples" = ["WD-1234567"]))]
pub(super) struct Serial(pub(super) String);

impl TryFrom<String> for Serial {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        match text.len() {
            1..=20 if printable => Ok(Self(text)),
            n => Err(format!(
                "`{}` is {n} bytes; a serial number is 1 to 20 printable ASCII characters",
                text.escape_debug()
            )),
        }
    }
}

impl Disk {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.file.as_deref().map(|file| setting.resolve(file))
    }

    pub(super) fn bus(&self) -> Bus {
        self.bus.unwrap_or(if self.cdrom { Bus::Sata } else { Bus::Virtio })
    }

    fn read_only(&self) -> bool {
        self.readonly || self.cdrom
    }

    /// Adds the nodes of disk `i` and returns the name of the upper one; `None` for an empty drive.
    fn draft_nodes(&self, i: usize, scene: &Scene, draft: &mut Draft) -> Option<String> {
        let key = format!("disk[{i}]");
        let Some(file) = &self.file else {
            if !self.cdrom {
                let problem = Problem::new(Class::Invalid, &key, "a disk without a file");
                draft.refuse(problem.fix("file = \"disk.img\"   # or cdrom = true for an empty drive"));
            }
            return None;
        };
        let path = self.find(file, &format!("{key}.file"), scene, draft);
        let (upper, lower) = (format!("disk{i}"), format!("disk{i}-file"));
        let mut protocol = self.node(self.driver(&path, scene), &lower);
        protocol["filename"] = json!(path);
        protocol["aio"] = json!(self.aio.as_str());
        let mut format = self.node(self.format(&key, draft), &upper);
        format["file"] = json!(lower);
        let argv = &mut draft.contents.argv;
        argv.backend("-blockdev", &protocol, Origin::given(format!("{key}.file")));
        argv.backend("-blockdev", &format, Origin::given(format!("{key}.format")));
        Some(upper)
    }

    /// The absolute path of `file`; notes a problem when no image is there.
    fn find(&self, file: &Path, key: &str, scene: &Scene, draft: &mut Draft) -> PathBuf {
        let path = scene.setting.resolve(file);
        if *scene.host.path(&path) != PathFact::Missing || self.cdrom {
            return scene.file(file, key, Class::Impossible, draft);
        }
        let format = if self.format == Some(Format::Qcow2) { "qcow2" } else { "raw" };
        let shown = path.to_string_lossy();
        let mut problem = Problem::new(Class::Impossible, key, format!("{shown} does not exist"));
        if let Ok(word) = shlex::try_quote(&shown) {
            problem = problem.fix(format!("qemu-img create -f {format} {word} 64G   # for a new guest"));
        }
        draft.refuse(problem);
        path
    }

    fn node(&self, driver: &str, name: &str) -> Value {
        let discard = if self.discard { "unmap" } else { "ignore" };
        json!({
            "driver": driver, "node-name": name, "read-only": self.read_only(), "discard": discard,
            "cache": {"direct": self.cache.direct(), "no-flush": self.cache.no_flush()},
        })
    }

    fn driver(&self, path: &Path, scene: &Scene) -> &'static str {
        match (scene.host.path(path), self.cdrom) {
            (PathFact::Block, false) => "host_device",
            (PathFact::Block, true) => "host_cdrom",
            _ => "file",
        }
    }

    fn format(&self, key: &str, draft: &mut Draft) -> &'static str {
        match self.format {
            Some(Format::Raw) => "raw",
            Some(Format::Qcow2) => "qcow2",
            None if self.cdrom => "raw",
            None => {
                draft.refuse(
                    Problem::new(Class::Invalid, format!("{key}.format"), "the format of the image is not given")
                        .why("a guest could write the header of another format, and read files of the host by it")
                        .fix("format = \"raw\"   # or \"qcow2\""),
                );
                "raw"
            }
        }
    }

    fn judge(&self, i: usize, draft: &mut Draft) {
        let key = |name: &str| format!("disk[{i}].{name}");
        if self.aio == Aio::Native && !self.cache.direct() {
            draft.refuse(
                Problem::new(Class::Invalid, key("aio"), "aio = \"native\" with a cache on the host")
                    .why("the kernel's native AIO needs O_DIRECT")
                    .fix("cache = \"none\"   # or aio = \"threads\" or \"io_uring\""),
            );
        }
        if self.iothread != Iothread::Main && !self.bus().takes_iothread() {
            draft.refuse(
                Problem::new(Class::Invalid, key("iothread"), format!("a disk on {} has no iothread", self.bus()))
                    .why("only virtio devices leave QEMU's main thread")
                    .fix("bus = \"virtio\"   # or \"scsi\""),
            );
        }
        if self.cdrom && self.bus() == Bus::Virtio {
            draft.refuse(
                Problem::new(Class::Invalid, key("bus"), "virtio has no CD-ROM drives")
                    .fix("bus = \"sata\"   # or \"scsi\""),
            );
        }
        if self.readonly && !self.cdrom && self.bus() == Bus::Sata {
            draft.refuse(
                Problem::new(Class::Invalid, key("readonly"), "a SATA disk cannot be read-only")
                    .fix("bus = \"virtio\"   # or \"scsi\""),
            );
        }
    }

    /// Properties that every kind of drive has.
    fn device(&self, i: usize, node: Option<&str>) -> Value {
        let mut device = json!({"id": format!("drive{i}")});
        if let Some(node) = node {
            device["drive"] = json!(node);
        }
        if let Some(Serial(serial)) = &self.serial {
            device["serial"] = json!(serial);
        }
        if !self.cdrom {
            device["write-cache"] = json!(self.cache.write_cache());
        }
        device
    }
}

pub(super) fn draft(disks: &[Disk], scene: &Scene, draft: &mut Draft) {
    iothread::draft(disks, draft);
    judge_same_file(disks, scene.setting, draft);
    judge_boot_order(disks, draft);
    let iothreads = iothread::of_disks(disks);
    let unordered = disks.iter().all(|disk| disk.boot_index.is_none());
    let mut controllers = disk_bus::Controllers::default();
    for (i, (disk, iothread)) in disks.iter().zip(&iothreads).enumerate() {
        disk.judge(i, draft);
        let node = disk.draft_nodes(i, scene, draft);
        let mut device = disk.device(i, node.as_deref());
        // Under strict boot a disk without an index would never be tried.
        if let Some(index) = disk.boot_index.map(usize::from).or(unordered.then_some(i)) {
            device["bootindex"] = json!(index);
        }
        let origin = Origin::given(format!("disk[{i}]"));
        disk_bus::attach(disk, device, iothread.as_deref(), &mut controllers, &origin, draft);
    }
}

fn judge_same_file(disks: &[Disk], setting: &Setting, draft: &mut Draft) {
    let path = |disk: &Disk| disk.paths(setting);
    for (i, disk) in disks.iter().enumerate().filter(|(_, disk)| disk.file.is_some()) {
        let earlier = disks[..i].iter().position(|earlier| path(earlier) == path(disk));
        let Some(first) = earlier.filter(|&first| !(disk.read_only() && disks[first].read_only())) else { continue };
        let file = path(disk).unwrap_or_default();
        draft.refuse(
            Problem::new(
                Class::Invalid,
                format!("disk[{i}].file"),
                format!("disk[{first}] and disk[{i}] are both {}", file.display()),
            )
            .why("two writers on one image destroy its file system"),
        );
    }
}

fn judge_boot_order(disks: &[Disk], draft: &mut Draft) {
    for (i, disk) in disks.iter().enumerate() {
        let Some(index) = disk.boot_index else { continue };
        if let Some(first) = disks[..i].iter().position(|earlier| earlier.boot_index == Some(index)) {
            let what = format!("boot index {index} is taken by disk[{first}]");
            draft.refuse(Problem::new(Class::Invalid, format!("disk[{i}].boot_index"), what));
        }
    }
}
