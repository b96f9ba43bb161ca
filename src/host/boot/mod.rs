//! How the machine boots: the files from which initramfs images and boot loader entries are made, and the images.
//!
//! Read on its own, for `vmrun isolate`; no profile needs it.

mod image;

pub use image::BootImage;

use super::{Module, Root, module};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files of which each is looked at when it is there.
const FILES: [&str; 10] = [
    "/etc/os-release",
    "/etc/mkinitcpio.conf",
    "/etc/dracut.conf",
    "/etc/initramfs-tools/initramfs.conf",
    "/etc/initramfs-tools/modules",
    "/etc/booster.yaml",
    "/etc/default/grub",
    "/etc/kernel/cmdline",
    "/etc/kernelstub/configuration",
    "/boot/loader/loader.conf",
];

/// Folders, and how the names of the files in them end that are looked at.
const FOLDERS: [(&str, &str); 9] = [
    ("/etc/modprobe.d", ".conf"),
    ("/etc/mkinitcpio.conf.d", ".conf"),
    ("/etc/mkinitcpio.d", ".preset"),
    ("/etc/dracut.conf.d", ".conf"),
    ("/etc/initramfs-tools/hooks", "vmrun-vfio"),
    ("/usr/local/sbin", "vmrun-vfio-override"),
    ("/boot/loader/entries", ".conf"),
    ("/efi/loader/entries", ".conf"),
    ("/boot/efi/loader/entries", ".conf"),
];

/// Programs that make images and boot loader entries, or list images.
const PROGRAMS: [&str; 14] = [
    "mkinitcpio",
    "dracut",
    "update-initramfs",
    "booster",
    "kernelstub",
    "grubby",
    "sdbootutil",
    "update-grub",
    "grub-mkconfig",
    "grub2-mkconfig",
    "reinstall-kernels",
    "lsinitcpio",
    "lsinitrd",
    "lsinitramfs",
];

/// Where programs are, best first.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// How the machine boots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// Content of the files, and `None` for one that is no text.
    pub files: BTreeMap<PathBuf, Option<String>>,
    /// Folders that are there although no file in them was looked at.
    pub folders: BTreeSet<PathBuf>,
    /// Names of the programs that are installed.
    pub programs: BTreeSet<String>,
    /// Release of the running kernel.
    pub release: String,
    /// What the running kernel was told, `/proc/cmdline`.
    pub command_line: String,
    /// Whether the processor is Intel's.
    pub intel: bool,
    /// How the running kernel has vfio-pci; `None` when it has none, or its modules cannot be found.
    pub vfio_pci: Option<Module>,
    /// Initramfs images.
    pub images: Vec<BootImage>,
}

impl Boot {
    /// Reads it below `root`.
    #[must_use]
    pub fn read(root: &Root) -> Self {
        Self { images: image::read(root, &|name| program(root, name)), ..Self::configuration(root) }
    }

    /// Reads all of it but the images, which take programs and seconds to look into.
    #[must_use]
    pub fn configuration(root: &Root) -> Self {
        let release = root.text("/proc/sys/kernel/osrelease").unwrap_or_default();
        let programs: BTreeSet<_> =
            PROGRAMS.iter().filter(|name| program(root, name).is_some()).map(|name| (*name).to_owned()).collect();
        let folders = FOLDERS.iter().map(|(folder, _)| PathBuf::from(folder)).filter(|folder| root.exists(folder));
        Self {
            files: files(root),
            folders: folders.collect(),
            command_line: root.text("/proc/cmdline").unwrap_or_default(),
            intel: root.line("/proc/cpuinfo", "vendor_id").is_some_and(|line| line.ends_with("GenuineIntel")),
            vfio_pci: module::read(root).remove("vfio_pci").filter(|state| *state != Module::Missing),
            images: Vec::new(),
            programs,
            release,
        }
    }

    /// Content of the file at `path`; empty when there is none.
    #[must_use]
    pub fn text(&self, path: impl AsRef<Path>) -> &str {
        self.files.get(path.as_ref()).and_then(Option::as_deref).unwrap_or_default()
    }

    /// Whether there is a file at `path`.
    #[must_use]
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.files.contains_key(path.as_ref())
    }

    /// Whether the program `name` is installed.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        self.programs.contains(name)
    }

    /// The files in `folder`, with their content.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = (&Path, &str)> {
        let texts = self.files.iter().filter_map(|(path, text)| Some((path.as_path(), text.as_deref()?)));
        let folder = PathBuf::from(folder);
        texts.filter(move |(path, _)| path.parent() == Some(&folder))
    }
}

fn files(root: &Root) -> BTreeMap<PathBuf, Option<String>> {
    let single = FILES.iter().map(PathBuf::from);
    let below = FOLDERS.iter().flat_map(|(folder, ending)| {
        let names = root.names(folder).into_iter().filter(move |name| name.ends_with(ending));
        names.map(move |name| Path::new(folder).join(name))
    });
    let there = single.chain(below).filter_map(|path| {
        let bytes = root.bytes(&path)?;
        Some((path, String::from_utf8(bytes).ok()))
    });
    there.collect()
}

fn program(root: &Root, name: &str) -> Option<PathBuf> {
    PATH.iter().map(|folder| Path::new(folder).join(name)).find(|path| root.executable(path))
}
