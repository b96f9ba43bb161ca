//! `<disk><source>`: where the data of a disk is.

use super::Domain;
use super::disk::{identity, io};
use crate::import::xml::Element;
use toml::Value;

/// Where a disk's data is.
pub(super) enum Source {
    /// A file, or nothing in the drive.
    File(Option<String>),
    /// A volume of a pool.
    Volume(String, String),
    /// Elsewhere, and why that is not to be had.
    Other(String),
}

pub(super) fn source(disk: &Element) -> Source {
    let Some(source) = disk.child("source") else { return Source::File(None) };
    source.attr("index");
    source.attr("startupPolicy").into_iter().for_each(|_| source.translated("an image that is not there is refused"));
    for name in [
        "seclabel",
        "encryption",
        "reservations",
        "slices",
        "initiator",
        "privateData",
        "cookies",
        "ssl",
        "readahead",
        "timeout",
        "config",
        "auth",
        "snapshot",
    ] {
        source.all(name).for_each(|element| element.lost("vmrun has nothing like it"));
    }
    let path = |name: &str| source.attr(name).filter(|path| !path.is_empty()).map(str::to_owned);
    match disk.attr("type").unwrap_or("file") {
        "file" => Source::File(path("file")),
        "block" => Source::File(path("dev")),
        "volume" => {
            source.attr("mode");
            Source::Volume(path("pool").unwrap_or_default(), path("volume").unwrap_or_default())
        }
        "network" => {
            source.take();
            let protocol = source.attr("protocol").unwrap_or_default();
            Source::Other(format!(
                "an image behind `{protocol}`: a disk is a file or a block device of the host; mount or map it first"
            ))
        }
        "dir" => Source::Other("a folder as a FAT disk; [[share]] shares folders".into()),
        "nvme" => Source::Other("an NVMe disk through QEMU's own driver; pass it whole with [[pci]]".into()),
        other => Source::Other(format!("vmrun has no disks of type `{other}`")),
    }
}

/// libvirt's own pool keeps its volumes in one folder; where others are, only libvirt knows.
pub(super) fn volume_of(disk: &Element, pool: &str, volume: &str, bus: &str, cdrom: bool, domain: &mut Domain) {
    disk.take();
    disk.asked(format!("where the volume `{volume}` of the pool `{pool}` is, only libvirt knows"));
    let tells = format!("`virsh vol-path --pool {pool} {volume}` tells where it is");
    let path = format!("/var/lib/libvirt/images/{volume}");
    let table = domain.page.push("disk");
    if cdrom {
        table.ask(&format!("{tells}; the drive is empty until then:"), &format!("file = {}", Value::from(path)));
        table.set("cdrom", true);
    } else {
        table.put_off(format!("{tells}. With that as its file:"));
        table.set("file", path);
        let format = disk.child("driver").and_then(|driver| driver.attr("type")).unwrap_or("raw");
        table.set("format", format);
    }
    table.set("bus", if cdrom && matches!(bus, "virtio" | "nvme") { "sata" } else { bus });
    disk.child("driver").into_iter().for_each(|driver| io(driver, table));
    identity(disk, table);
}
