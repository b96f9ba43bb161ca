//! Initramfs images, and what is in them.

use crate::host::Root;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Folders with images, how their names begin, and what lists them; the first program that is there.
const IMAGES: [(&str, &str, &[&str]); 6] = [
    ("/boot", "initramfs-", &["lsinitcpio", "lsinitrd"]),
    ("/boot", "initrd.img-", &["lsinitramfs"]),
    ("/boot", "initrd-", &["lsinitrd"]),
    ("/boot", "booster-", &["booster"]),
    ("/efi/EFI/Linux", "", &["lsinitcpio"]),
    ("/boot/EFI/Linux", "", &["lsinitcpio"]),
];

/// Listing an image unpacks it.
const LIST_LIMIT: Duration = Duration::from_secs(60);

/// An initramfs image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootImage {
    /// Its path.
    pub path: PathBuf,
    /// When it was made: seconds since 1970.
    pub modified: i64,
    /// Paths of the files in it; `None` when no program that lists them is installed, or it does not end well.
    pub content: Option<Vec<String>>,
}

/// The images below `root`; `program` finds a program by its name.
pub(super) fn read(root: &Root, program: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<BootImage> {
    let found = IMAGES.iter().flat_map(|(folder, start, listers)| {
        let names = root.names(folder).into_iter().filter(move |name| name.starts_with(start) && is_image(name));
        names.filter_map(move |name| {
            let path = Path::new(folder).join(name);
            let modified = root.metadata(&path).ok()?.mtime();
            let lister = listers.iter().find_map(|name| program(name));
            let content = lister.and_then(|lister| list(root, &lister, &path));
            Some(BootImage { path, modified, content })
        })
    });
    found.collect()
}

/// Neither a copy that somebody keeps nor the one that a rescue starts.
fn is_image(name: &str) -> bool {
    !["~", ".bak", ".old", ".old-dkms", ".dpkg-bak", "kdump.img"].iter().any(|end| name.ends_with(end))
        && !name.contains("-rescue-")
}

fn list(root: &Root, lister: &Path, image: &Path) -> Option<Vec<String>> {
    let path = root.resolve(image);
    let path = path.to_str()?;
    let args: &[&str] = if lister.ends_with("booster") { &["ls", path] } else { &[path] };
    let output = root.output(lister, args, LIST_LIMIT)?;
    Some(output.lines().filter_map(entry).collect())
}

/// The path in a line of a listing: alone, or at the end of a line like that of `ls -l`, before the arrow of a link.
fn entry(line: &str) -> Option<String> {
    let line = line.split(" -> ").next()?;
    let path = line.split_whitespace().last()?;
    path.contains('/').then(|| path.trim_start_matches(['.', '/']).to_owned())
}

#[cfg(test)]
mod test {
    use super::{entry, is_image};

    #[test]
    fn all_listers_lines_are_read() {
        let lines = [
            "usr/lib/modules/6.12.1-arch1-1/kernel/drivers/vfio/pci/vfio-pci.ko.zst",
            "./etc/modprobe.d/vmrun-vfio.conf",
            "-rwxr-xr-x   1 root     root          612 Jan  1  1970 usr/local/sbin/vmrun-vfio-override",
            "lrwxrwxrwx   1 root     root            7 Jan  1  1970 bin/sh -> usr/bin",
        ];
        let paths: Vec<_> = lines.iter().filter_map(|line| entry(line)).collect();
        assert_eq!(
            paths,
            [
                "usr/lib/modules/6.12.1-arch1-1/kernel/drivers/vfio/pci/vfio-pci.ko.zst",
                "etc/modprobe.d/vmrun-vfio.conf",
                "usr/local/sbin/vmrun-vfio-override",
                "bin/sh",
            ]
        );
        assert_eq!(entry("Early CPIO image"), None);
    }

    #[test]
    fn copies_and_rescue_images_are_left_out() {
        assert!(is_image("initramfs-6.12.5-200.fc41.x86_64.img"));
        assert!(!is_image("initrd.img-6.1.0-25-amd64.bak"));
        assert!(!is_image("initramfs-0-rescue-0a1b.img"));
    }
}
