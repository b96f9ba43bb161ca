//! The first bytes of an image. Only compared with the format that the profile gives: a format is never chosen by them.

use crate::host::Root;
use std::path::Path;

/// Bytes that are read; the furthest magic ends at 0x44.
const HEAD: usize = 512;

/// Where a format has which bytes. QEMU: the `*_probe` functions in `block/`.
const MAGIC: [(&str, usize, &[u8]); 8] = [
    ("qcow2", 0, b"QFI\xfb"),
    ("qed", 0, b"QED\0"),
    ("vmdk", 0, b"KDMV"),
    ("vhdx", 0, b"vhdxfile"),
    ("vpc", 0, b"conectix"),
    ("vdi", 0x40, b"\x7f\x10\xda\xbe"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
];

/// The format that the first bytes of `path` belong to, `raw` for none that is known; `None` when they cannot be read.
pub(super) fn read(root: &Root, path: &Path) -> Option<&'static str> {
    root.head(path, HEAD).map(|head| format(&head))
}

fn format(head: &[u8]) -> &'static str {
    let found = MAGIC.iter().find(|(_, at, bytes)| head.get(*at..*at + bytes.len()) == Some(*bytes));
    found.map_or("raw", |(name, ..)| name)
}

#[cfg(test)]
mod test {
    use super::format;

    #[test]
    fn formats_are_known_by_their_magic() {
        assert_eq!(format(b"QFI\xfb\0\0\0\x03"), "qcow2");
        assert_eq!(format(&[vec![0; 0x40], b"\x7f\x10\xda\xbe".to_vec()].concat()), "vdi");
    }

    #[test]
    fn a_boot_sector_and_an_empty_file_are_raw() {
        assert_eq!(format(&[0xeb; 512]), "raw");
        assert_eq!(format(b""), "raw");
    }
}
