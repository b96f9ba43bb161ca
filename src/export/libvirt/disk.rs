//! `<disk>`.

use super::{Source, cpu};
use crate::export::xml::Element;

pub(super) fn write(source: &Source<'_>, devices: &mut Element) {
    let mut names = Names::default();
    for i in 0..source.document.count("disk") {
        devices.push(disk(source, i, &mut names));
    }
}

/// Names of drives, each once.
#[derive(Default)]
struct Names {
    vd: u32,
    sd: u32,
    hd: u32,
}

impl Names {
    fn next(&mut self, bus: &str) -> String {
        let (prefix, number) = match bus {
            "virtio" => ("vd", &mut self.vd),
            "ide" => ("hd", &mut self.hd),
            _ => ("sd", &mut self.sd),
        };
        *number += 1;
        let mut rest = *number;
        let mut letters = String::new();
        while rest > 0 {
            rest -= 1;
            letters.insert(0, char::from(b'a' + u8::try_from(rest % 26).unwrap_or(0)));
            rest /= 26;
        }
        format!("{prefix}{letters}")
    }
}

fn disk(source: &Source<'_>, i: usize, names: &mut Names) -> Element {
    let document = source.document;
    let key = |name: &str| format!("disk[{i}].{name}");
    let drive = format!("drive{i}");
    let cdrom = document.on(&key("cdrom")) == Some(true);
    let file = document.path(&key("file"));
    let block = file.as_deref().is_some_and(|file| file.starts_with("/dev/"));
    let kind = if block { "block" } else { "file" };
    let mut disk = Element::new("disk").with("type", kind).with("device", if cdrom { "cdrom" } else { "disk" });
    disk.push(driver(source, i));
    let file_of = file.clone();
    if let Some(file) = file {
        disk.push(Element::new("source").with(if block { "dev" } else { "file" }, file));
    }
    let bus = document.text(&key("bus")).unwrap_or_else(|| if cdrom { "sata" } else { "virtio" }.to_owned());
    let target = Element::new("target").with("dev", names.next(&bus)).with("bus", &bus);
    disk.push(target.maybe("rotation_rate", document.number(&key("rotation_rate"))));
    throttle(source, i, &mut disk);
    if document.on(&key("readonly")) == Some(true) || cdrom {
        disk.push(Element::new("readonly"));
    }
    let serial = document.text(&key("serial")).or_else(|| source.property(&drive, "serial"));
    // libvirt: `diskSerial` of `schemas/domaincommon.rng`.
    let fits = |serial: &String| serial.chars().all(|c| c.is_ascii_alphanumeric() || "_.+- ".contains(c));
    if !serial.as_ref().is_none_or(fits) {
        document.unread_again(&key("serial"));
    }
    let serial = serial.filter(fits);
    let own = file_of.filter(|_| matches!(bus.as_str(), "virtio" | "nvme") && !cdrom);
    let address = own.and_then(|file| source.address(&format!("disk {file}")));
    disk.and_maybe(address)
        .and_maybe(serial.map(|serial| Element::of("serial", serial)))
        .and_maybe(document.text(&key("wwn")).map(|wwn| Element::of("wwn", wwn.trim_start_matches("0x"))))
        .and_maybe(document.number(&key("boot_index")).map(|order| Element::new("boot").with("order", order.max(1))))
        .and_maybe(blocks(source, i))
}

fn driver(source: &Source<'_>, i: usize) -> Element {
    let document = source.document;
    let key = |name: &str| format!("disk[{i}].{name}");
    let format = document.text(&key("format")).unwrap_or_else(|| "raw".to_owned());
    let reads_only = ["readonly", "cdrom"].iter().any(|name| document.on(&key(name)) == Some(true));
    // On, as vmrun has it where the profile does not say; libvirt's own is `ignore`.
    let discard = document.on(&key("discard")).or((!reads_only).then_some(true));
    let discard = discard.map(|on| if on { "unmap" } else { "ignore" });
    let aio = document.text(&key("aio")).filter(|aio| aio != "auto");
    let controller = source.property(&format!("drive{i}"), "bus").filter(|bus| bus.starts_with("scsi"));
    if controller.is_none_or(|bus| bus == "scsi0.0") {
        document.settle(&key("iothread"));
    }
    let thread = source.property(&format!("drive{i}"), "iothread");
    let given = document.text(&key("cache")).filter(|cache| cache != "auto");
    // What the plan has of it; libvirt refuses `native` without a word on the cache.
    let cache = given.or_else(|| (aio.as_deref() == Some("native")).then(|| "none".to_owned()));
    let mut driver = Element::new("driver")
        .with("name", "qemu")
        .with("type", format)
        .maybe("cache", cache)
        .maybe("io", aio)
        .maybe("discard", discard)
        .maybe("detect_zeroes", document.text(&key("detect_zeroes")))
        .maybe("iothread", thread.and_then(|id| cpu::iothread(source, &id)))
        .maybe("queues", document.number(&key("queues")));
    let queues = document.texts(&key("iothread_queues"));
    if !queues.is_empty() {
        let threads = queues.iter().filter_map(|id| cpu::iothread(source, id));
        let threads = threads.map(|id| Element::new("iothread").with("id", id));
        driver.push(threads.fold(Element::new("iothreads"), Element::and));
    }
    driver
}

fn blocks(source: &Source<'_>, i: usize) -> Option<Element> {
    let size = |name: &str| source.document.number(&format!("disk[{i}].{name}"));
    let (logical, physical) = (size("logical_block_size"), size("physical_block_size"));
    let blocks = Element::new("blockio").maybe("logical_block_size", logical).maybe("physical_block_size", physical);
    (!blocks.is_empty()).then_some(blocks)
}

/// Limits: the profile's key, and the element.
const LIMITS: [(&str, &str); 12] = [
    ("bps_total", "total_bytes_sec"),
    ("bps_read", "read_bytes_sec"),
    ("bps_write", "write_bytes_sec"),
    ("iops_total", "total_iops_sec"),
    ("iops_read", "read_iops_sec"),
    ("iops_write", "write_iops_sec"),
    ("bps_total_max", "total_bytes_sec_max"),
    ("bps_read_max", "read_bytes_sec_max"),
    ("bps_write_max", "write_bytes_sec_max"),
    ("iops_total_max", "total_iops_sec_max"),
    ("iops_read_max", "read_iops_sec_max"),
    ("iops_write_max", "write_iops_sec_max"),
];

fn throttle(source: &Source<'_>, i: usize, disk: &mut Element) {
    let document = source.document;
    let mut tune = Element::new("iotune");
    for (key, name) in LIMITS {
        let key = format!("disk[{i}].throttle.{key}");
        if let Some(amount) = document.bytes(&key).or_else(|| document.number(&key).and_then(|it| it.try_into().ok())) {
            tune.push(Element::of(name, amount.to_string()));
        }
    }
    if !tune.is_empty() {
        disk.push(tune);
    }
}
