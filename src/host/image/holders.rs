//! Who on the host holds a file or a block device.

use super::Holder;
use crate::host::Root;
use nix::sys::stat::{major, minor};
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// `8:16`, as the kernel writes the number of a device.
pub(super) fn number(device: u64) -> String {
    format!("{}:{}", major(device), minor(device))
}

/// Who holds block device `device` or one of its partitions.
pub(super) fn of_device(root: &Root, device: u64) -> Vec<Holder> {
    of_numbers(root, &with_partitions(root, &number(device)))
}

/// Who holds the regular file at `path`.
pub(super) fn of_file(root: &Root, path: &Path, meta: &Metadata) -> Vec<Holder> {
    let same =
        |other: &Path| root.metadata(other).is_ok_and(|other| (other.dev(), other.ino()) == (meta.dev(), meta.ino()));
    let loops = root.names("/sys/block").into_iter().filter(|name| name.starts_with("loop"));
    let backing = |name: &str| root.text(Path::new("/sys/block").join(name).join("loop/backing_file"));
    let loops = loops.filter(|name| backing(name).is_some_and(|file| same(Path::new(&file)))).map(Holder::Device);
    let swaps = swaps(root).into_iter().filter(|file| same(file)).map(Holder::Swap);
    let writer = root.written_by_qemu(path).then_some(Holder::Writer);
    loops.chain(swaps).chain(writer).collect()
}

/// Who holds one of the devices with these numbers, a disk and its partitions.
fn of_numbers(root: &Root, numbers: &[String]) -> Vec<Holder> {
    let is_one = |path: &Path| {
        let device = root.metadata(path).ok().filter(|meta| meta.file_type().is_block_device());
        device.is_some_and(|meta| numbers.contains(&number(meta.rdev())))
    };
    let mounted = mounts(root).into_iter().filter(|mount| numbers.contains(&mount.number) || is_one(&mount.source));
    let mounted = mounted.map(|mount| Holder::Mounted(mount.at));
    let swaps = swaps(root).into_iter().filter(|path| is_one(path)).map(Holder::Swap);
    let made_of_it = numbers.iter().flat_map(|number| root.names(format!("/sys/dev/block/{number}/holders")));
    let mut holders: Vec<Holder> = Vec::new();
    for holder in mounted.chain(swaps).chain(made_of_it.map(Holder::Device)) {
        if !holders.contains(&holder) {
            holders.push(holder);
        }
    }
    holders
}

/// The number of a device and those of its partitions: folders in its own that have a file `partition`.
fn with_partitions(root: &Root, number: &str) -> Vec<String> {
    let folder = PathBuf::from(format!("/sys/dev/block/{number}"));
    let parts = root.names(&folder).into_iter().map(|name| folder.join(name));
    let parts = parts.filter(|part| root.exists(part.join("partition")));
    std::iter::once(number.to_owned()).chain(parts.filter_map(|part| root.text(part.join("dev")))).collect()
}

struct Mount {
    number: String,
    at: PathBuf,
    /// As it was mounted; the only clue for file systems that span devices, whose number is none of theirs.
    source: PathBuf,
}

/// Kernel: `Documentation/filesystems/proc.rst`, `/proc/<pid>/mountinfo`.
fn mounts(root: &Root) -> Vec<Mount> {
    let text = root.text("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (number, at) = (left.next()?, left.nth(1)?);
    let source = right.split(' ').nth(1)?;
    Some(Mount { number: number.to_owned(), at: unescaped(at), source: unescaped(source) })
}

/// Paths that the host swaps to.
fn swaps(root: &Root) -> Vec<PathBuf> {
    let text = root.text("/proc/swaps").unwrap_or_default();
    text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(unescaped).collect()
}

/// The kernel writes blanks in paths as `\040` and the like: `mangle_path()`, `fs/seq_file.c`.
fn unescaped(text: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain)).into()
}

#[cfg(test)]
mod test {
    use super::{Holder, of_file, of_numbers, with_partitions};
    use crate::host::tree::lay_out;
    use std::path::Path;

    /// A disk with two partitions: one mounted, one part of a volume group.
    const DISK: [(&str, &str); 7] = [
        ("/sys/dev/block/8:0/size", "1000\n"),
        ("/sys/dev/block/8:0/sda1/partition", "1\n"),
        ("/sys/dev/block/8:0/sda1/dev", "8:1\n"),
        ("/sys/dev/block/8:0/sda2/partition", "2\n"),
        ("/sys/dev/block/8:0/sda2/dev", "8:2\n"),
        ("/sys/dev/block/8:2/holders/dm-0", ""),
        (
            "/proc/self/mountinfo",
            "36 1 8:1 / /mnt/my\\040data rw - ext4 /dev/sda1 rw\n37 1 8:17 / /srv rw - xfs /dev/sdb1 rw\n",
        ),
    ];

    #[test]
    fn a_disk_is_held_through_its_partitions() {
        let tree = lay_out(&DISK);
        let numbers = with_partitions(&tree.root, "8:0");
        assert_eq!(numbers, ["8:0", "8:1", "8:2"]);
        let expected = [Holder::Mounted("/mnt/my data".into()), Holder::Device("dm-0".into())];
        assert_eq!(of_numbers(&tree.root, &numbers), expected);
    }

    #[test]
    fn a_partition_is_held_by_itself_alone() {
        let tree = lay_out(&DISK);
        assert_eq!(of_numbers(&tree.root, &["8:2".into()]), [Holder::Device("dm-0".into())]);
        assert_eq!(of_numbers(&tree.root, &["8:3".into()]), []);
    }

    #[test]
    fn a_swap_file_is_held() {
        let tree = lay_out(&[("/swapfile", "x"), ("/proc/swaps", "Filename Type Size\n/swapfile file 1024 0 -2\n")]);
        let meta = tree.root.metadata("/swapfile").unwrap();
        assert_eq!(of_file(&tree.root, Path::new("/swapfile"), &meta), [Holder::Swap("/swapfile".into())]);
    }
}
