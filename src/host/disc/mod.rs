//! What is on a disc or its image, as far as an installer is known by it: its name and what lies at its root.
//!
//! Source: ECMA-119 (ISO 9660), sections 8.4 and 9.1; ECMA-167 and OSTA UDF 2.60 for the discs of Windows, whose ISO 9660
//! half holds a note and nothing else. Every length that a disc tells is bounded: a disc is somebody else's file.

mod iso;
mod udf;

use super::Root;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of a sector.
const SECTOR: usize = 2048;
/// Most bytes of a root folder that are looked at; an installer's has a few dozen names.
const FOLDER: usize = 64 << 10;

/// A disc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disc {
    /// The name of its volume, like `CCCOMA_X64FRE_EN-US_DV9`.
    pub label: String,
    /// Names at its root, in capitals and without version numbers: `SOURCES`, `BOOTMGR`.
    pub names: Vec<String>,
}

/// What a disc is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscKind {
    /// It installs Windows.
    Windows,
    /// It has the virtio drivers for Windows.
    VirtioWin,
    /// It starts or installs a Linux.
    Linux,
    /// Something else.
    Other,
}

/// Names at the root of a Linux installer or live system, one of which is enough.
const LINUX: [&str; 11] = [
    "DISTS",  // Debian
    "CASPER", // Ubuntu
    "LIVE",   // Debian live
    "LIVEOS", // Fedora
    "ISOLINUX",
    "SYSLINUX",
    "ARCH",
    "NIX-STORE.SQUASHFS",
    "NIX_STORE.SQUASHFS",
    "VMLINUZ",
    "APKS", // Alpine
];

impl Disc {
    /// The disc in the file or drive at `path`; `None` when it is none, or cannot be read.
    #[must_use]
    pub fn read(root: &Root, path: impl AsRef<Path>) -> Option<Self> {
        let mut sectors = Sectors(File::open(root.resolve(path)).ok()?);
        let plain = iso::read(&mut sectors);
        let Some(udf) = udf::read(&mut sectors) else { return plain };
        let label = plain.map(|plain| plain.label).filter(|label| !label.is_empty());
        Some(Self { label: label.unwrap_or(udf.label), names: udf.names })
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> DiscKind {
        let has = |name: &str| self.names.iter().any(|it| it == name);
        let label = self.label.to_ascii_uppercase();
        if label.starts_with("VIRTIO-WIN") || has("VIOSTOR") && has("NETKVM") {
            DiscKind::VirtioWin
        } else if has("SOURCES") && (has("BOOTMGR") || has("BOOTMGR.EFI")) {
            DiscKind::Windows
        } else if LINUX.iter().any(|name| has(name)) {
            DiscKind::Linux
        } else {
            DiscKind::Other
        }
    }
}

/// A disc by its sectors.
struct Sectors(File);

impl Sectors {
    /// `bytes` from sector `first` on; `None` when the disc ends before.
    fn read(&mut self, first: u32, bytes: usize) -> Option<Vec<u8>> {
        let mut found = vec![0; bytes];
        self.0.seek(SeekFrom::Start(u64::from(first) * SECTOR as u64)).ok()?;
        self.0.read_exact(&mut found).ok()?;
        Some(found)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod test {
    use super::{Disc, DiscKind};
    use crate::host::tree::lay_out;

    fn disc(label: &str, names: &[&str]) -> DiscKind {
        Disc { label: label.to_owned(), names: names.iter().map(|&name| name.to_owned()).collect() }.kind()
    }

    #[test]
    fn installers_are_known_by_what_lies_at_their_root() {
        assert_eq!(disc("CCCOMA_X64FRE_EN-US_DV9", &["BOOT", "BOOTMGR", "SETUP.EXE", "SOURCES"]), DiscKind::Windows);
        assert_eq!(disc("virtio-win-0.1.271", &["AMD64", "NETKVM", "VIOSTOR"]), DiscKind::VirtioWin);
        assert_eq!(disc("Debian 12.7.0 amd64 n", &["BOOT", "DISTS", "EFI", "POOL"]), DiscKind::Linux);
        assert_eq!(disc("14_1_RELEASE_AMD64_CD", &["BIN", "BOOT", "ETC"]), DiscKind::Other);
    }

    #[test]
    fn a_file_that_is_no_disc_is_none() {
        let tree = lay_out(&[("/a.iso", "no disc"), ("/b.iso", &" ".repeat(80_000))]);
        assert_eq!(Disc::read(&tree.root, "/a.iso"), None);
        assert_eq!(Disc::read(&tree.root, "/b.iso"), None);
        assert_eq!(Disc::read(&tree.root, "/none.iso"), None);
    }
}
