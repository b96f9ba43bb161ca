//! `-drive`, `-blockdev`, `-hda` and their kin, with the devices that they hang on.

use super::node::{device_options, drive_options, limits_of_group, node_options, thrown_away};
use super::opt::Opt;
use super::seat::Seat;
use super::{Line, by_id, named, push};
use crate::import::table::Table;
use crate::import::unready;

/// Devices that are disks: the driver, the bus of the profile, and whether it is a CD-ROM drive.
const DRIVERS: [(&str, &str, bool); 16] = [
    ("virtio-blk-pci", "virtio", false),
    ("virtio-blk", "virtio", false),
    ("virtio-blk-device", "virtio", false),
    ("virtio-blk-pci-non-transitional", "virtio", false),
    ("virtio-blk-pci-transitional", "virtio", false),
    ("scsi-hd", "scsi", false),
    ("scsi-cd", "scsi", true),
    ("scsi-disk", "scsi", false),
    ("scsi-block", "scsi", false),
    ("ide-hd", "ide", false),
    ("ide-cd", "ide", true),
    ("ide-drive", "ide", false),
    ("usb-storage", "usb", false),
    ("usb-uas", "usb", false),
    ("nvme", "nvme", false),
    ("nvme-ns", "nvme", false),
];

/// Whether `device` is a disk.
pub(super) fn is_disk(device: &Opt) -> bool {
    DRIVERS.iter().any(|(driver, ..)| *driver == device.head)
}

/// Whether the bus of `device` is that of a USB device which takes SCSI's.
fn is_on_usb(device: &Opt, opts: &[Opt]) -> bool {
    let controller = device.get("bus").and_then(|bus| bus.split('.').next()).and_then(|id| by_id(opts, "device", id));
    controller.is_some_and(|controller| matches!(controller.head.as_str(), "usb-bot" | "usb-uas"))
}

/// Where the drive's data is, and how it is read.
#[derive(Default)]
struct Medium {
    file: Option<String>,
    format: Option<String>,
    cdrom: bool,
}

impl Line<'_> {
    pub(super) fn disks(&mut self, opts: &[Opt]) {
        let mut all_thrown_away = None;
        for opt in opts {
            match opt.name.as_str() {
                "drive" if !matches!(opt.get("if"), Some("pflash")) => self.drive(opt, opts),
                "device" if is_disk(opt) => self.device_disk(opt, opts),
                "hda" | "hdb" | "hdc" | "hdd" | "sda" | "cdrom" => {
                    let table = push(self.page, "disk", opt);
                    let medium = Medium { file: Some(opt.value.clone()), format: None, cdrom: opt.name == "cdrom" };
                    fill(table, if self.q35 { "sata" } else { "ide" }, &medium, opt);
                    opt.rest();
                    self.want(opt, Seat::of_drive(opt, self.q35), opts);
                }
                "fda" | "fdb" => opt.lost("there are no floppy disks"),
                "sd" | "mtdblock" => opt.lost("a PC has no such memory"),
                "blockdev" => {
                    // Named by a device, or by another one.
                    opt.pairs();
                }
                "snapshot" => all_thrown_away = Some(opt),
                _ => {}
            }
        }
        self.seat(opts);
        self.boot(opts);
        if let Some(opt) = all_thrown_away {
            let disks = self.page.list("disk").iter_mut().filter(|disk| disk.get("cdrom").is_none());
            disks.for_each(|disk| thrown_away(opt, disk));
        }
    }

    /// A `-drive` that has its device with it; others are there for the device that names them.
    fn drive(&mut self, opt: &Opt, opts: &[Opt]) {
        let interface = opt.get("if").unwrap_or("ide");
        let bus = match interface {
            "none" => {
                let id = opt.get("id").unwrap_or_default();
                let named = |device: &Opt| device.name == "device" && device.get("drive") == Some(id);
                if !opts.iter().any(named) {
                    opt.lost("no device has it");
                }
                return;
            }
            "virtio" => "virtio",
            "scsi" => "scsi",
            "ide" if self.q35 => "sata",
            "ide" => "ide",
            "floppy" => return opt.lost("there are no floppy disks"),
            other => return opt.lost(format!("vmrun has no drives on `{other}`")),
        };
        let medium = medium_of(opt);
        let seat = Seat::of_drive(opt, self.q35);
        let table = push(self.page, "disk", opt);
        fill(table, bus, &medium, opt);
        place(opt);
        drive_options(opt, table);
        self.want(opt, seat, opts);
    }

    fn device_disk(&mut self, device: &Opt, opts: &[Opt]) {
        let Some((_, bus, cdrom)) = DRIVERS.iter().find(|(driver, ..)| *driver == device.head) else { return };
        let bus = match *bus {
            // ICH9's ports are SATA; a bare `ide-hd` on a q35 sits there too.
            "ide" if self.q35 || device.get("bus").is_some_and(|bus| bus.contains("ahci") || bus.contains("sata")) => {
                "sata"
            }
            "scsi" if is_on_usb(device, opts) => "usb",
            bus => bus,
        };
        let drive = device.get("drive").unwrap_or_default().to_owned();
        let source = by_id(opts, "drive", &drive);
        let (node, limits) = match by_id(opts, "blockdev", &drive) {
            Some(node) if node.get("driver") == Some("throttle") || node.head == "throttle" => {
                let below = node.get("file").and_then(|name| by_id(opts, "blockdev", name));
                (below, limits_of_group(node, opts))
            }
            node => (node, None),
        };
        let mut medium =
            source.map(medium_of).or_else(|| node.map(|node| medium_of_node(node, opts))).unwrap_or_default();
        medium.cdrom = *cdrom || (medium.cdrom && device.head == "ide-drive");
        let mut table = Table::default();
        device
            .comments
            .iter()
            .chain(source.into_iter().flat_map(|source| &source.comments))
            .for_each(|text| table.above(text.clone()));
        if source.is_none() && node.is_none() && !drive.is_empty() {
            device.lost(format!("no drive is called `{drive}`"));
            return;
        }
        fill(&mut table, bus, &medium, source.or(node).unwrap_or(device));
        if let Some(source) = source {
            place(source);
            source.get("if");
            drive_options(source, &mut table);
        }
        node.into_iter().for_each(|node| node_options(node, opts, &mut table));
        table.maybe("throttle", limits);
        let seat = Seat::of_device(device, bus);
        device_options(device, bus, opts, &mut table);
        *self.page.push("disk") = table;
        self.want(device, seat, opts);
    }

    /// `-boot`: letters of kinds become the order of devices.
    fn boot(&mut self, opts: &[Opt]) {
        for opt in named(opts, "boot") {
            for key in ["menu", "strict"] {
                if let Some(on) = opt.flag(key) {
                    self.page.table("boot").set(key, on);
                }
            }
            for key in ["splash", "splash-time", "reboot-timeout", "once"] {
                if opt.get(key).is_some() {
                    opt.translated(format!("{key}: left out"));
                }
            }
            let order = opt.get("order").map_or_else(|| opt.head.clone(), str::to_owned);
            if order.is_empty() || self.page.list("disk").iter().any(|disk| disk.get("boot_index").is_some()) {
                continue;
            }
            opt.translated("boot_index of the devices of that kind");
            let mut index = 1_i64;
            for letter in order.chars() {
                let list = if letter == 'n' { "net" } else { "disk" };
                for table in self.page.list(list) {
                    let cdrom = table.get("cdrom").is_some();
                    if matches!((letter, cdrom), ('c', false) | ('d', true)) && table.get("boot_index").is_none() {
                        table.set("boot_index", index);
                        index += 1;
                    }
                }
            }
            for table in self.page.list("disk").iter_mut().filter(|table| table.get("boot_index").is_none()) {
                table.set("boot_index", index);
                index += 1;
            }
        }
    }
}

/// An id that an iothread of the profile can have.
pub(super) fn iothread_id(text: &str) -> String {
    let id: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' }).collect();
    if id.starts_with(|c: char| c.is_ascii_alphabetic()) && id != "ram0" { id } else { format!("io-{id}") }
}

/// Formats that QEMU knows by what is in the file, and people by its name. QEMU: `block/*.c`, `bdrv_probe`.
const FORMATS: [&str; 8] = ["qcow2", "vmdk", "vdi", "vhd", "vhdx", "vpc", "qed", "qcow"];

/// The format that a file's name tells.
fn by_name(file: &str) -> &'static str {
    let end = file.rsplit_once('.').map(|(_, end)| end.to_lowercase()).unwrap_or_default();
    FORMATS.into_iter().find(|format| *format == end).unwrap_or("raw")
}

/// Asks for an image of a format that vmrun reads.
fn foreign(opt: &Opt, format: &str, table: &mut Table) {
    opt.asked(format!("the image is `{format}`, and vmrun has raw and qcow2"));
    table.put_off(crate::import::table::convert(format));
    table.set("format", "qcow2");
}

/// Notes that nothing but its name tells the format of an image.
fn guessed(opt: &Opt, table: &mut Table) {
    let file = table.text("file").unwrap_or_default().to_lowercase();
    if [".qcow2", ".raw", ".iso"].iter().any(|end| file.ends_with(end)) || file.starts_with("/dev/") {
        return;
    }
    opt.asked("the image's format, which QEMU guessed");
    table
        .comment("To decide: QEMU guessed the format; `qemu-img info` tells it, and `vmrun check` when it is another.");
}

fn fill(table: &mut Table, bus: &str, medium: &Medium, opt: &Opt) {
    table.maybe("file", medium.file.clone());
    match medium.format.as_deref() {
        Some(format @ ("raw" | "qcow2")) if medium.file.is_some() => table.set("format", format),
        Some("raw" | "qcow2") => {}
        Some("host_device" | "host_cdrom" | "file") => table.set("format", "raw"),
        Some(other) => foreign(opt, other, table),
        None => match medium.file.as_deref().map(by_name) {
            Some(format @ ("raw" | "qcow2")) => {
                table.set("format", format);
                if !medium.cdrom {
                    guessed(opt, table);
                }
            }
            Some(other) => foreign(opt, other, table),
            None => {}
        },
    }
    table.set("bus", bus);
    if medium.cdrom {
        table.set("cdrom", true);
        if bus == "virtio" || bus == "nvme" {
            table.set("bus", "sata");
        }
    }
    if unready::no_image(table) {
        opt.asked("which image the disk has");
    }
}

fn medium_of(drive: &Opt) -> Medium {
    let file = drive.any(&["file", "file.filename"]).filter(|file| !file.is_empty()).map(str::to_owned);
    drive.get("file.driver");
    let format = drive.any(&["format", "driver"]).map(str::to_owned);
    let iso = file.as_deref().is_some_and(|file| file.to_lowercase().ends_with(".iso"));
    let cdrom = drive.get("media").map_or(iso && drive.get("if").is_none(), |media| media == "cdrom");
    Medium { file, format, cdrom }
}

/// A node and what lies below it.
fn medium_of_node(node: &Opt, opts: &[Opt]) -> Medium {
    let below = node.get("file").and_then(|name| by_id(opts, "blockdev", name));
    let driver =
        if node.head.is_empty() { node.get("driver").unwrap_or_default().to_owned() } else { node.head.clone() };
    let file = node
        .any(&["filename", "file.filename"])
        .or_else(|| below.and_then(|below| below.any(&["filename", "file.filename"])));
    Medium { file: file.map(str::to_owned), format: Some(driver), cdrom: false }
}

/// Where the drive sits; numbers follow from the order.
fn place(drive: &Opt) {
    let placed = ["index", "unit", "bus", "addr"].iter().filter(|key| drive.get(key).is_some()).count();
    if placed > 0 {
        drive.translated("its place follows from the order of the profile");
    }
}
