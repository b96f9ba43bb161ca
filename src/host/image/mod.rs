//! Disk images and block devices that the profile names: which thing it is, what it begins like, who else holds it.

mod boots;
mod chain;
mod holders;
mod magic;

pub use boots::Boots;

use super::Root;
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What is known of a disk image or a block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Image {
    /// Which thing it is, whatever path leads to it: two paths to one image have the same. Empty when not known.
    pub id: String,
    /// The format that its first bytes belong to, `raw` for none that is known; `None` when they cannot be read.
    pub begins_like: Option<String>,
    /// Why the images below this one, which is of a format that has such, cannot be opened; `None` when they can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_chain: Option<String>,
    /// Which things the images below it are, by their [`Image::id`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<String>,
    /// What can start it; `None` when that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boots: Option<Boots>,
    /// Whether the host's page cache can be passed by; `None` when that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takes_direct: Option<bool>,
    /// Whether its file system keeps checksums of what is written past the page cache, as btrfs does: a guest that alters
    /// a page while it is written, as Windows does, makes them wrong.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub checksums: bool,
    /// Who holds it besides the guest.
    pub holders: Vec<Holder>,
    /// For a device like `/dev/sdb`, whose name depends on the order of discovery: its lasting name.
    pub stable: Option<PathBuf>,
}

/// Somebody on the host who holds an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Holder {
    /// It, or a partition of it, is mounted here.
    Mounted(PathBuf),
    /// The host swaps to it, by this path.
    Swap(PathBuf),
    /// A device made of it: device mapper, RAID, a loop device; its kernel name.
    Device(String),
    /// A process that writes to it with QEMU's locks.
    Writer,
}

/// What is known of the image at `path`; `None` when neither a file nor a block device is there.
pub(super) fn read(root: &Root, path: &Path) -> Option<Image> {
    let meta = root.metadata(path).ok()?;
    let block = meta.file_type().is_block_device();
    if !block && !meta.is_file() {
        return None;
    }
    let format = magic::read(root, path);
    let chain = chain::read(root, path);
    Some(Image {
        id: id(&meta),
        begins_like: format.map(str::to_owned),
        broken_chain: chain.broken,
        below: chain.ids,
        boots: format.and_then(|format| boots::read(root, path, format)),
        takes_direct: root.takes_direct(path),
        checksums: !block && root.keeps_checksums(path),
        holders: if block { holders::of_device(root, meta.rdev()) } else { holders::of_file(root, path, &meta) },
        stable: stable(root, path, &meta),
    })
}

/// Which thing has `meta`.
fn id(meta: &Metadata) -> String {
    match meta.file_type().is_block_device() {
        true => format!("device {}", holders::number(meta.rdev())),
        false => format!("inode {} of {}", meta.ino(), holders::number(meta.dev())),
    }
}

/// Folder of lasting names. systemd: `udev/rules.d/60-persistent-storage.rules`.
const BY_ID: &str = "/dev/disk/by-id";

/// Names in [`BY_ID`] that say least to a reader.
const PLAIN: [&str; 4] = ["wwn-", "nvme-eui.", "dm-uuid-", "lvm-pv-uuid-"];

fn stable(root: &Root, path: &Path, meta: &Metadata) -> Option<PathBuf> {
    let name = path.strip_prefix("/dev").ok()?.to_str()?;
    let passing = ["sd", "nvme", "vd", "hd"].iter().any(|start| name.starts_with(start)) && !name.contains('/');
    if !meta.file_type().is_block_device() || !passing {
        return None;
    }
    let same = |name: &String| {
        let other = root.metadata(Path::new(BY_ID).join(name));
        other.is_ok_and(|other| other.file_type().is_block_device() && other.rdev() == meta.rdev())
    };
    let names: Vec<String> = root.names(BY_ID).into_iter().filter(same).collect();
    let telling = names.iter().find(|name| !PLAIN.iter().any(|plain| name.starts_with(plain)));
    telling.or(names.first()).map(|name| Path::new(BY_ID).join(name))
}

#[cfg(test)]
mod test {
    use super::{Holder, read};
    use crate::host::tree::lay_out;
    use std::path::Path;

    #[test]
    fn two_paths_to_one_image_have_the_same_id() {
        let tree = lay_out(&[("/vm/a.img", "x"), ("/vm/b.img", "x")]);
        tree.link("/vm/link.img", "a.img");
        std::fs::hard_link(tree.root.resolve("/vm/a.img"), tree.root.resolve("/vm/hard.img")).unwrap();
        let id = |path: &str| read(&tree.root, Path::new(path)).unwrap().id;
        assert_eq!(id("/vm/a.img"), id("/vm/link.img"));
        assert_eq!(id("/vm/a.img"), id("/vm/hard.img"));
        assert_ne!(id("/vm/a.img"), id("/vm/b.img"));
    }

    #[test]
    fn a_folder_and_nothing_are_no_images() {
        let tree = lay_out(&[("/vm/a.img", "x")]);
        assert_eq!(read(&tree.root, Path::new("/vm")), None);
        assert_eq!(read(&tree.root, Path::new("/vm/none")), None);
    }

    #[test]
    fn an_image_behind_a_loop_device_is_held_by_it() {
        let tree = lay_out(&[("/vm/a.img", "x"), ("/sys/block/loop3/loop/backing_file", "/vm/a.img\n")]);
        assert_eq!(read(&tree.root, Path::new("/vm/a.img")).unwrap().holders, [Holder::Device("loop3".into())]);
    }
}
