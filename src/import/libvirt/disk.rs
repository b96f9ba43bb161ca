//! `<disk>`.

use super::disk_source::{Source, source, volume_of};
use super::{Domain, placed};
use crate::import::page::{number, size};
use crate::import::table::{Table, convert};
use crate::import::unready;
use crate::import::xml::Element;
use toml::Value;

pub(super) fn import(disk: &Element, domain: &mut Domain) {
    let target = disk.child("target");
    let device = disk.attr("device").unwrap_or("disk");
    placed(disk);
    disk.attr("type");
    runtime(disk);
    if matches!(device, "floppy" | "lun") {
        return disk.lost(match device {
            "floppy" => "there are no floppy disks",
            _ => "a SCSI device of the host cannot be passed by itself; pass its controller with [[pci]]",
        });
    }
    let cdrom = device == "cdrom";
    let name = target.and_then(|target| target.attr("dev")).unwrap_or_default().to_owned();
    let Some(bus) = bus(disk, target, &name, domain) else { return };
    let file = match source(disk) {
        Source::File(file) => file,
        Source::Volume(pool, volume) => return volume_of(disk, &pool, &volume, bus, cdrom, domain),
        Source::Other(why) => return disk.lost(why),
    };
    let table = domain.page.push("disk");
    table.maybe("file", file);
    let driver = disk.child("driver");
    let format = driver.and_then(|driver| driver.attr("type")).unwrap_or("raw");
    match format {
        "raw" | "qcow2" if table.get("file").is_some() => table.set("format", format),
        "raw" | "qcow2" => {}
        "iso" => table.set("format", "raw"),
        other => {
            disk.asked(format!("the image is `{other}`, and vmrun has raw and qcow2"));
            table.put_off(convert(other));
            table.set("format", "qcow2");
        }
    }
    table.set("bus", bus);
    if cdrom {
        table.set("cdrom", true);
    }
    if unready::no_image(table) {
        disk.asked("which image the disk has");
    }
    driver.into_iter().for_each(|driver| io(driver, table));
    identity(disk, table);
    if disk.child("readonly").is_some() && !cdrom {
        table.set("readonly", true);
    }
    if let Some(order) = disk.child("boot").and_then(|boot| boot.number("order")) {
        table.set("boot_index", number(order));
    }
    throttle(disk, table);
    if let Some(transient) = disk.child("transient") {
        transient.attr("shareBacking");
        transient.asked("whether the guest may write to it; what it wrote was thrown away");
        table.put_off(crate::import::argv::KEEPS_NOTHING);
    }
    if let Some(shareable) = disk.child("shareable") {
        shareable.lost("an image has one guest; QEMU's lock on it stays");
    }
}

/// What libvirt notes while the guest runs, and what has no meaning for it.
fn runtime(disk: &Element) {
    for name in [
        "backingStore",
        "mirror",
        "encryption",
        "auth",
        "geometry",
        "vendor",
        "product",
        "backenddomain",
        "throttlefilters",
    ] {
        for element in disk.all(name) {
            match name {
                "backingStore" | "mirror" => element.needless("the image itself says what lies below it"),
                "vendor" | "product" => element.lost("a SCSI disk is named by QEMU"),
                "geometry" => element.lost("cylinders and heads follow from the size"),
                _ => element.lost("vmrun has nothing like it"),
            }
        }
    }
    disk.attr("snapshot");
    disk.attr("model");
    if disk.attr("sgio").is_some() || disk.attr("rawio").is_some() {
        disk.translated("raw SCSI commands are not passed");
    }
}

fn bus(disk: &Element, target: Option<&Element>, name: &str, domain: &Domain) -> Option<&'static str> {
    if let Some(target) = target {
        if target.attr("tray") == Some("open") {
            target.lost("the tray is closed when the guest starts");
        }
        if target.flag("removable") == Some(true) {
            target.lost("a USB disk is not called removable");
        }
    }
    let given = target.and_then(|target| target.attr("bus"));
    // libvirt goes by the name: `src/conf/domain_conf.c`, virDiskNameToBusDeviceIndex.
    let by_name = match name.get(..2) {
        Some("sd") => "scsi",
        Some("hd") if domain.q35 => "sata",
        Some("hd") => "ide",
        _ => "virtio",
    };
    match given.unwrap_or(by_name) {
        "virtio" => Some("virtio"),
        "sata" => Some("sata"),
        "ide" if domain.q35 => {
            disk.translated("a q35 has no IDE controller; SATA looks the same to most guests");
            Some("sata")
        }
        "ide" => Some("ide"),
        "scsi" => Some("scsi"),
        "usb" => Some("usb"),
        "nvme" => Some("nvme"),
        other => {
            disk.lost(format!("vmrun has no bus `{other}`"));
            None
        }
    }
}

pub(super) fn io(driver: &Element, table: &mut Table) {
    driver.attr("name");
    let cache = driver.attr("cache").filter(|cache| *cache != "default");
    table.maybe("cache", cache);
    match driver.attr("io") {
        // QEMU: aio=native needs cache.direct=on.
        Some("native") if !matches!(cache, Some("none" | "directsync")) => {
            driver.translated("aio = \"threads\": native needs a cache of none or directsync");
        }
        Some(io) => table.set("aio", io),
        None => {}
    }
    match driver.attr("discard") {
        Some("unmap") => table.set("discard", true),
        Some("ignore") => table.set("discard", false),
        _ => {}
    }
    table.maybe("detect_zeroes", driver.attr("detect_zeroes"));
    let bus = table.text("bus").unwrap_or_default().to_owned();
    if let Some(id) = driver.number("iothread") {
        match bus.as_str() {
            "virtio" | "scsi" => table.set("iothread", super::tune::iothread(id)),
            _ => driver.lost(format!("a disk on {bus} has no iothread")),
        }
    }
    table.maybe("queues", driver.number("queues").map(number));
    for map in driver.child("iothreads").into_iter().flat_map(|map| map.all("iothread")) {
        map.all("queue").for_each(|queue| _ = queue.attr("id"));
        if let Some(id) = map.number("id") {
            table.add("iothread_queues", super::tune::iothread(id));
        }
    }
    for (name, why) in [
        ("error_policy", "a guest that cannot write stops, and goes on with `vmrun resume`"),
        ("rerror_policy", "a guest that cannot read is told so"),
        ("copy_on_read", "images without backing files have no use for it"),
        ("ioeventfd", "QEMU's own choice is the faster"),
        ("event_idx", "QEMU's own choice is the faster"),
        ("packed", "rings are split"),
        ("queue_size", "QEMU's own size is taken"),
        ("iommu", "virtio devices stay outside the guest's IOMMU"),
        ("ats", "virtio devices stay outside the guest's IOMMU"),
        ("page_per_vq", "it is for other hosts' needs"),
        ("max_bytes", "no limit is set"),
        ("discard_no_unref", "it is qcow2's own choice"),
    ] {
        if driver.attr(name).is_some() {
            driver.translated(format!("{name}: {why}"));
        }
    }
    for name in ["metadata_cache", "statistics"] {
        driver.all(name).for_each(|element| element.lost("QEMU's own choice is taken"));
    }
}

pub(super) fn identity(disk: &Element, table: &mut Table) {
    table.maybe("serial", disk.text_of("serial"));
    if let Some(wwn) = disk.text_of("wwn") {
        table.set("wwn", if wwn.starts_with("0x") { wwn.to_owned() } else { format!("0x{wwn}") });
    }
    if let Some(blocks) = disk.child("blockio") {
        table.maybe("logical_block_size", blocks.number("logical_block_size").map(number));
        table.maybe("physical_block_size", blocks.number("physical_block_size").map(number));
        if blocks.attr("discard_granularity").is_some() {
            blocks.lost("the granularity of discards is QEMU's");
        }
    }
    let rate = disk.child("target").and_then(|target| target.number("rotation_rate"));
    if matches!(table.text("bus"), Some("scsi" | "sata" | "ide")) {
        table.maybe("rotation_rate", rate.map(number));
    }
}

fn throttle(disk: &Element, table: &mut Table) {
    let Some(tune) = disk.child("iotune") else { return };
    let mut limits = toml::Table::new();
    for element in tune.each() {
        let amount: u64 = element.text().parse().unwrap_or(0);
        let (kind, rest) = element.name.split_once('_').unwrap_or((&element.name, ""));
        let max = rest.strip_suffix("_sec_max").map(|kind| (kind, "_max"));
        let Some((unit, suffix)) = max.or_else(|| rest.strip_suffix("_sec").map(|kind| (kind, ""))) else {
            element.lost("lengths and groups of bursts are not set");
            continue;
        };
        let key = match unit {
            "bytes" => format!("bps_{kind}{suffix}"),
            "iops" => format!("iops_{kind}{suffix}"),
            _ => continue,
        };
        if amount > 0 {
            let value = if unit == "bytes" { Value::from(size(amount)) } else { number(amount) };
            limits.insert(key, value);
        }
    }
    if !limits.is_empty() {
        table.set("throttle", limits);
    }
}

/// Turns `<os><boot>` into the order of devices: libvirt takes the first device of each kind.
pub(super) fn order(domain: &mut Domain) {
    for (index, dev) in (1_i64..).zip(domain.boot.clone()) {
        let list = if dev == "network" { "net" } else { "disk" };
        let fits = |table: &&mut Table| match dev.as_str() {
            "hd" => table.get("cdrom").is_none(),
            "cdrom" => table.get("cdrom").is_some(),
            _ => true,
        };
        if let Some(table) = domain.page.list(list).iter_mut().find(fits) {
            table.set("boot_index", index);
        }
    }
}
