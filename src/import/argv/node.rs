//! What a disk is told: by its device, its drive, its node.

use super::disk::iothread_id;
use super::opt::{Opt, is_on};
use super::{by_id, named};
use crate::import::page::{number, size};
use crate::import::table::Table;
use crate::import::xml;
use toml::Value;

/// Options of the device that a disk is.
pub(super) fn device_options(device: &Opt, bus: &str, opts: &[Opt], table: &mut Table) {
    table.maybe("boot_index", device.number("bootindex").map(number));
    table.maybe("serial", device.get("serial"));
    if matches!(bus, "scsi" | "sata" | "ide") {
        // QEMU takes it as a number of any kind.
        let wwn = device.get("wwn");
        table.maybe(
            "wwn",
            wwn.map(|text| xml::number(text).map_or_else(|| text.to_owned(), |id| format!("{id:#018x}"))),
        );
        table.maybe("rotation_rate", device.number("rotation_rate").map(number));
    }
    table.maybe("logical_block_size", device.number("logical_block_size").filter(|size| *size != 512).map(number));
    table.maybe("physical_block_size", device.number("physical_block_size").filter(|size| *size != 512).map(number));
    table.maybe("queues", device.any(&["num-queues", "num_queues", "max_ioqpairs"]).and_then(xml::number).map(number));
    let controller = device.get("bus").and_then(|bus| bus.split('.').next()).and_then(|id| by_id(opts, "device", id));
    // A SCSI controller without a name is the only one.
    let controller = controller
        .or_else(|| named(opts, "device").find(|it| it.head.starts_with("virtio-scsi")).filter(|_| bus == "scsi"));
    let thread = device.get("iothread").or_else(|| controller.and_then(|controller| controller.get("iothread")));
    if let Some(thread) = thread.filter(|_| matches!(bus, "virtio" | "scsi")) {
        table.set("iothread", iothread_id(thread));
    }
    if let Some(queues) =
        controller.filter(|_| bus == "scsi").and_then(|controller| controller.any(&["num_queues", "num-queues"]))
    {
        table.maybe("queues", xml::number(queues).map(number));
    }
    if device.flag("write-cache") == Some(false) {
        // Past the host's cache too, where the drive goes past it.
        let direct = matches!(table.text("cache"), Some("none" | "directsync"));
        table.set("cache", if direct { "directsync" } else { "writethrough" });
    }
    for (key, value) in device.rest() {
        match key.as_str() {
            "id"
            | "addr"
            | "bus"
            | "unit"
            | "scsi-id"
            | "lun"
            | "channel"
            | "physical-block-size"
            | "device_id"
            | "share-rw"
            | "disable-legacy"
            | "disable-modern"
            | "ioeventfd"
            | "event_idx"
            | "scsi"
            | "config-wce"
            | "write-cache"
            | "removable"
            | "discard_granularity"
            | "multifunction"
            | "packed"
            | "queue-size"
            | "ver"
            | "model"
            | "vendor"
            | "product" => {
                device.translated(format!("{key}={value}: vmrun's or QEMU's own choice"));
            }
            _ => device.lost(format!("{key}={value}: vmrun has nothing like it")),
        }
    }
}

/// Options of a drive that are keys of a disk.
pub(super) fn drive_options(drive: &Opt, table: &mut Table) {
    let cache = drive.get("cache").filter(|cache| *cache != "default").map(str::to_owned);
    let direct = drive.flag("cache.direct");
    let flush = drive.flag("cache.no-flush");
    let cache = cache.or_else(|| match (direct, flush) {
        (_, Some(true)) => Some("unsafe".into()),
        (Some(true), _) => Some("none".into()),
        _ => None,
    });
    let direct = matches!(cache.as_deref(), Some("none" | "directsync" | "off"));
    match cache.as_deref() {
        Some("off") => table.set("cache", "none"),
        Some(cache @ ("none" | "writeback" | "writethrough" | "directsync" | "unsafe")) => table.set("cache", cache),
        Some(other) => drive.lost(format!("vmrun knows no cache `{other}`")),
        None => {}
    }
    match drive.get("aio") {
        Some("native") if !direct => drive.translated("aio = \"threads\": native needs a cache of none or directsync"),
        Some(aio) => table.set("aio", aio),
        None => {}
    }
    match drive.get("discard") {
        Some("unmap" | "on") => table.set("discard", true),
        Some("ignore" | "off") if table.get("cdrom").is_none() => table.set("discard", false),
        _ => {}
    }
    table.maybe("detect_zeroes", drive.get("detect-zeroes"));
    if drive.any(&["readonly", "read-only"]).is_some_and(is_on) && table.get("cdrom").is_none() {
        table.set("readonly", true);
    }
    if let Some(serial) = drive.get("serial") {
        table.set("serial", serial);
        drive.translated("disk.serial; today's -drive has none");
    }
    table.maybe("boot_index", drive.number("bootindex").map(number));
    limits(drive, table);
    for (key, value) in drive.rest() {
        match key.as_str() {
            "id" | "media" | "if" | "copy-on-read" | "cyls" | "heads" | "secs" | "trans" | "boot" | "node-name"
            | "werror" | "rerror" | "l2-cache-size" | "cache-size" | "overlap-check" | "locking" | "file.locking"
            | "force-share" | "file.aio" | "name" => {
                if !matches!(key.as_str(), "id" | "media" | "if" | "node-name") {
                    drive.translated(format!("{key}={value}: QEMU's own choice, or gone from it"));
                }
            }
            "snapshot" if !is_on(&value) => {}
            "snapshot" => thrown_away(drive, table),
            _ => drive.lost(format!("{key}={value}: vmrun has nothing like it")),
        }
    }
}

/// Asks about a disk that kept nothing of what the guest wrote: here it would be written to.
pub(super) fn thrown_away(opt: &Opt, table: &mut Table) {
    opt.asked("whether the guest may write to it; QEMU threw away what it wrote");
    table.put_off(KEEPS_NOTHING);
}

/// The question about a disk that keeps nothing.
pub(in crate::import) const KEEPS_NOTHING: &str = "what the guest wrote to this disk was thrown away, and would stay here. \
     `qemu-img create -f qcow2 -b OLD -F FORMAT NEW` makes a layer to throw away; with NEW as its file:";

/// Options of a node, and of the one below it.
pub(super) fn node_options(node: &Opt, opts: &[Opt], table: &mut Table) {
    let below = node.get("file").and_then(|name| by_id(opts, "blockdev", name));
    let get = |key: &str| {
        let nested = format!("file.{key}");
        node.get(key)
            .or_else(|| node.get(&nested))
            .or_else(|| below.and_then(|below| below.get(key)))
            .map(str::to_owned)
    };
    let direct = get("cache.direct").is_some_and(|on| is_on(&on));
    if get("cache.no-flush").is_some_and(|on| is_on(&on)) {
        table.set("cache", "unsafe");
    } else if direct {
        table.set("cache", "none");
    } else if get("cache.direct").is_some() && table.get("cdrom").is_none() {
        table.set("cache", "writeback");
    }
    match get("aio").as_deref() {
        Some("native") if !direct => {}
        Some(aio) => table.set("aio", aio),
        None => {}
    }
    table.maybe("detect_zeroes", get("detect-zeroes"));
    let read_only = get("read-only").is_some_and(|on| is_on(&on));
    if read_only && table.get("cdrom").is_none() {
        table.set("readonly", true);
    }
    match get("discard").as_deref() {
        Some("unmap") => table.set("discard", true),
        Some("ignore") if !read_only && table.get("cdrom").is_none() => table.set("discard", false),
        _ => {}
    }
    node.rest();
    below.into_iter().for_each(|below| _ = below.rest());
}

/// The limits of the group that the node `throttle` is in.
pub(super) fn limits_of_group(throttle: &Opt, opts: &[Opt]) -> Option<toml::Table> {
    let group = throttle.get("throttle-group").and_then(|id| by_id(opts, "object", id));
    throttle.rest();
    let mut all = toml::Table::new();
    for unit in ["iops", "bps"] {
        for kind in ["total", "read", "write"] {
            for (suffix, max) in [("", ""), ("-max", "_max")] {
                let name = format!("{unit}-{kind}{suffix}");
                let (json, older) = (format!("limits.{name}"), format!("x-{name}"));
                let amount = group.and_then(|group| group.any(&[&json, &older]).and_then(xml::number));
                if let Some(amount) = amount.filter(|amount| *amount > 0) {
                    let value = if unit == "bps" { Value::from(size(amount)) } else { number(amount) };
                    all.insert(format!("{unit}_{kind}{max}"), value);
                }
            }
        }
    }
    (!all.is_empty()).then_some(all)
}

/// `throttling.iops-total` and the older `iops`, `bps_rd`.
fn limits(drive: &Opt, table: &mut Table) {
    let mut all = toml::Table::new();
    for unit in ["iops", "bps"] {
        for (suffix, kind) in [("", "total"), ("_rd", "read"), ("_wr", "write")] {
            for (old, max) in [("", ""), ("_max", "_max")] {
                let older = format!("{unit}{suffix}{old}");
                let newer = format!("throttling.{unit}-{kind}{}", old.replace('_', "-"));
                if let Some(amount) = drive.any(&[&older, &newer]).and_then(xml::number).filter(|amount| *amount > 0) {
                    let value = if unit == "bps" { Value::from(size(amount)) } else { number(amount) };
                    all.insert(format!("{unit}_{kind}{max}"), value);
                }
            }
        }
    }
    if !all.is_empty() {
        table.set("throttle", all);
    }
}
