//! Disks that are mounted, swapped to, or part of something.
//!
//! Source: `proc_pid_mountinfo(5)`, `proc_swaps(5)`, Linux `Documentation/ABI/stable/sysfs-block`.

use super::super::super::Root;
use super::super::behind;
use super::{Found, Use};
use crate::unit::Bdf;
use std::path::{Path, PathBuf};

const CLASS: &str = "/sys/class/block";

/// Layers of block devices that are looked through: a file system on LVM on LUKS on a RAID on a partition is four.
const LAYERS: usize = 8;

/// What each function's disks are used for.
pub(super) fn uses(root: &Root) -> Found {
    let mut found = mounts(root);
    found.extend(swaps(root));
    found.extend(members(root));
    found
}

fn mounts(root: &Root) -> Found {
    let table = root.text("/proc/self/mountinfo").unwrap_or_default();
    let mut found = Vec::new();
    for line in table.lines() {
        let Some((name, at)) = mount(root, line) else { continue };
        for (device, bdf) in below(root, &name, LAYERS) {
            found.push((bdf, Use::Mounted { device, at: at.clone() }));
        }
    }
    found
}

/// Kernel's name of the block device and the mount point on a line of `mountinfo`.
///
/// The device number is that of the block device for most file systems. btrfs has numbers of its own, and there the
/// source names a block device.
fn mount(root: &Root, line: &str) -> Option<(String, PathBuf)> {
    let fields: Vec<&str> = line.split(' ').collect();
    let (number, at) = (fields.get(2)?, fields.get(4)?);
    let numbered = root.link_name(format!("/sys/dev/block/{number}"));
    let name = numbered.or_else(|| {
        let separator = fields.iter().position(|field| *field == "-")?;
        device_name(root, &plain(fields.get(separator + 2)?))
    })?;
    Some((name, PathBuf::from(plain(at))))
}

fn swaps(root: &Root) -> Found {
    let table = root.text("/proc/swaps").unwrap_or_default();
    // A swap file lies in a file system that is mounted, so partitions are enough.
    let names =
        table.lines().skip(1).filter_map(|line| device_name(root, &plain(line.split_ascii_whitespace().next()?)));
    names.flat_map(|name| below(root, &name, LAYERS)).map(|(device, bdf)| (bdf, Use::Swap { device })).collect()
}

/// The kernel's name of the block device at a path below `/dev`; links, as of `/dev/mapper`, are followed.
fn device_name(root: &Root, path: &str) -> Option<String> {
    let path = Path::new(path);
    path.strip_prefix("/dev").ok()?;
    let name = root.link_name(path).or_else(|| path.file_name()?.to_str().map(str::to_owned))?;
    root.exists(format!("{CLASS}/{name}")).then_some(name)
}

/// Text of a field in which the kernel writes blanks and the like as `\040`.
fn plain(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(&part[3..]);
            }
            None => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

/// The disks or partitions on PCI functions that the block device `name` lies on; itself when it is one.
fn below(root: &Root, name: &str, layers: usize) -> Vec<(String, Bdf)> {
    let Some(place) = root.link(format!("{CLASS}/{name}")) else { return Vec::new() };
    if let Some(bdf) = behind(&place) {
        return vec![(name.to_owned(), bdf)];
    }
    if let Some(disk) = place.iter().skip_while(|part| *part != "nvme-subsystem").nth(1).and_then(|part| part.to_str())
    {
        return multipath(root, name, disk);
    }
    if layers == 0 {
        return Vec::new();
    }
    root.names(format!("{CLASS}/{name}/slaves")).iter().flat_map(|slave| below(root, slave, layers - 1)).collect()
}

/// The controllers of an `NVMe` disk that can be had over several; the kernel shows it below its subsystem.
fn multipath(root: &Root, name: &str, subsystem: &str) -> Vec<(String, Bdf)> {
    let folder = format!("/sys/class/nvme-subsystem/{subsystem}");
    let controllers = root.names(&folder).into_iter().filter(|entry| entry.starts_with("nvme"));
    let links = controllers.filter_map(|controller| root.link(format!("{folder}/{controller}")));
    links.filter_map(|place| Some((name.to_owned(), behind(&place)?))).collect()
}

/// The disks and partitions that are part of something at work.
fn members(root: &Root) -> Found {
    let mut found = Vec::new();
    for name in root.names(CLASS) {
        let holders = root.names(format!("{CLASS}/{name}/holders"));
        let whole = holders.iter().map(|holder| called(root, holder)).chain(zfs(root, &name));
        let below = below(root, &name, 0);
        for of in whole {
            found.extend(
                below.iter().map(|(device, bdf)| (*bdf, Use::Member { device: device.clone(), of: of.clone() })),
            );
        }
    }
    found.extend(btrfs(root));
    found
}

/// What people call the block device `name` that is made of others.
fn called(root: &Root, name: &str) -> String {
    let Some(mapped) = root.text(format!("{CLASS}/{name}/dm/name")) else { return name.to_owned() };
    let uuid = root.text(format!("{CLASS}/{name}/dm/uuid")).unwrap_or_default();
    match uuid.split('-').next() {
        Some("CRYPT") => format!("LUKS {mapped}"),
        Some("LVM") => format!("LVM {mapped}"),
        _ => format!("device mapper {mapped}"),
    }
}

/// The ZFS pool that the block device `name` is part of, if that is imported. ZFS shows no holders; the label is known
/// to udev, and pools at work have a folder.
fn zfs(root: &Root, name: &str) -> Option<String> {
    let number = root.text(format!("{CLASS}/{name}/dev"))?;
    let database = format!("/run/udev/data/b{number}");
    root.line(&database, "E:ID_FS_TYPE=zfs_member")?;
    let label = root.line(&database, "E:ID_FS_LABEL=")?;
    let pool = label.split_once('=')?.1;
    root.exists(format!("/proc/spl/kstat/zfs/{pool}")).then(|| format!("ZFS {pool}"))
}

/// The devices of btrfs file systems on several: the table of mounts names only the first.
fn btrfs(root: &Root) -> Found {
    let mut found = Vec::new();
    for id in root.names("/sys/fs/btrfs") {
        let devices = root.names(format!("/sys/fs/btrfs/{id}/devices"));
        if devices.len() < 2 {
            continue;
        }
        let label = root.text(format!("/sys/fs/btrfs/{id}/label")).filter(|label| !label.is_empty());
        let of = format!("btrfs {}", label.unwrap_or(id));
        let below = devices.iter().flat_map(|device| below(root, device, LAYERS));
        found.extend(below.map(|(device, bdf)| (bdf, Use::Member { device, of: of.clone() })));
    }
    found
}

#[cfg(test)]
mod test {
    use super::{plain, uses};
    use crate::host::pci::Use;
    use crate::host::tree::{Tree, lay_out};

    /// A SATA disk with LVM on LUKS on its second partition, and an `NVMe` disk of a subsystem with two controllers.
    fn machine(extra: &[(&str, &str)]) -> Tree {
        let files = [
            ("/sys/class/block/x", ""),
            ("/sys/dev/block/x", ""),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/block/sda/sda1/dev", "8:1\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/block/sda/sda2/dev", "8:2\n"),
            ("/sys/devices/pci0000:00/0000:00:17.0/ata1/block/sda/sda2/holders/dm-0", ""),
            ("/sys/devices/virtual/block/dm-0/slaves/sda2", ""),
            ("/sys/devices/virtual/block/dm-0/holders/dm-1", ""),
            ("/sys/devices/virtual/block/dm-0/dm/name", "luks-root\n"),
            ("/sys/devices/virtual/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123-luks-root\n"),
            ("/sys/devices/virtual/block/dm-1/slaves/dm-0", ""),
            ("/sys/devices/virtual/block/dm-1/dm/name", "vg-root\n"),
            ("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/dev", "259:0\n"),
            ("/sys/class/nvme-subsystem/nvme-subsys0/model", "x\n"),
        ];
        let tree = lay_out(&[&files, extra].concat());
        let link = |name: &str, number: &str, place: &str| {
            tree.link(&format!("/sys/class/block/{name}"), &format!("../../devices/{place}"));
            tree.link(&format!("/sys/dev/block/{number}"), &format!("../../devices/{place}"));
        };
        link("sda1", "8:1", "pci0000:00/0000:00:17.0/ata1/block/sda/sda1");
        link("sda2", "8:2", "pci0000:00/0000:00:17.0/ata1/block/sda/sda2");
        link("dm-0", "254:0", "virtual/block/dm-0");
        link("dm-1", "254:1", "virtual/block/dm-1");
        link("nvme0n1", "259:0", "virtual/nvme-subsystem/nvme-subsys0/nvme0n1");
        tree.link("/sys/class/nvme-subsystem/nvme-subsys0/nvme0", "../../../../pci0000:00/0000:01:00.0/nvme/nvme0");
        tree
    }

    fn found(tree: &Tree) -> Vec<String> {
        let tell = |(bdf, used)| match used {
            Use::Mounted { device, at } => format!("{bdf} {device} at {}", at.display()),
            Use::Swap { device } => format!("{bdf} {device} swap"),
            Use::Member { device, of } => format!("{bdf} {device} in {of}"),
            other => format!("{bdf} {other:?}"),
        };
        uses(&tree.root).into_iter().map(tell).collect()
    }

    #[test]
    fn a_root_on_lvm_on_luks_is_found_on_its_disk() {
        let tree = machine(&[(
            "/proc/self/mountinfo",
            "25 1 254:1 / / rw - ext4 /dev/mapper/vg-root rw\n26 25 0:5 / /proc rw - proc proc rw\n\
             27 25 259:0 / /mnt/my\\040games rw - xfs /dev/nvme0n1 rw\n",
        )]);
        let expected =
            ["0000:00:17.0 sda2 at /", "0000:01:00.0 nvme0n1 at /mnt/my games", "0000:00:17.0 sda2 in LUKS luks-root"];
        assert_eq!(found(&tree), expected);
    }

    #[test]
    fn btrfs_is_found_by_its_source_and_swap_by_its_path() {
        let tree = machine(&[
            ("/proc/self/mountinfo", "25 1 0:32 /@ / rw shared:1 - btrfs /dev/sda1 rw,subvol=/@\n"),
            ("/proc/swaps", "Filename Type Size Used Priority\n/dev/dm-1 partition 8 0 -2\n/swapfile file 8 0 -3\n"),
            ("/sys/fs/btrfs/uuid-1/devices/sda1", ""),
            ("/sys/fs/btrfs/uuid-1/devices/nvme0n1", ""),
            ("/sys/fs/btrfs/uuid-1/label", "pool\n"),
        ]);
        let expected = [
            "0000:00:17.0 sda1 at /",
            "0000:00:17.0 sda2 swap",
            "0000:00:17.0 sda2 in LUKS luks-root",
            "0000:01:00.0 nvme0n1 in btrfs pool",
            "0000:00:17.0 sda1 in btrfs pool",
        ];
        assert_eq!(found(&tree), expected);
    }

    #[test]
    fn a_zfs_pool_counts_when_it_is_imported() {
        let label = ("/run/udev/data/b8:1", "E:ID_FS_LABEL=tank\nE:ID_FS_TYPE=zfs_member\n");
        let luks = "0000:00:17.0 sda2 in LUKS luks-root";
        assert_eq!(found(&machine(&[label])), [luks]);
        let imported = machine(&[label, ("/proc/spl/kstat/zfs/tank/io", "")]);
        assert_eq!(found(&imported), ["0000:00:17.0 sda1 in ZFS tank", luks]);
    }

    #[test]
    fn blanks_are_written_in_octal() {
        assert_eq!(plain("/mnt/a\\040b\\134c"), "/mnt/a b\\c");
        assert_eq!(plain("\\9"), "\\9");
    }
}
