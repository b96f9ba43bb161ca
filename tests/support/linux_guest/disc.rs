//! A CD-ROM that UEFI boots: El Torito, without emulation.

use std::fs;
use std::path::Path;

/// Bytes of a sector of a CD-ROM.
const SECTOR: usize = 2048;

/// Where the volume descriptors begin; ECMA-119, 6.7.1.
const DESCRIPTORS: usize = 16;
const CATALOG: usize = DESCRIPTORS + 3;
const IMAGE: usize = CATALOG + 1;

/// Writes to `disc` a CD-ROM whose boot image is the FAT file system in the file `fat`.
///
/// It has no files besides; the firmware reads the boot catalogue alone. "El Torito" 1.0; UEFI, 13.3.2.1.
pub(super) fn write(fat: &Path, disc: &Path) {
    let image = fs::read(fat).expect("the boot image");
    let sectors = IMAGE + image.len().div_ceil(SECTOR);
    let mut bytes = vec![0; sectors * SECTOR];
    for (at, kind) in [(DESCRIPTORS, 1), (DESCRIPTORS + 1, 0), (DESCRIPTORS + 2, 0xff)] {
        let descriptor = &mut bytes[at * SECTOR..];
        descriptor[0] = kind;
        descriptor[1..7].copy_from_slice(b"CD001\x01");
    }
    let size = u32::try_from(sectors).expect("a disc");
    let primary = &mut bytes[DESCRIPTORS * SECTOR..];
    primary[80..84].copy_from_slice(&size.to_le_bytes());
    primary[84..88].copy_from_slice(&size.to_be_bytes());
    primary[128..132].copy_from_slice(&[0, 8, 8, 0]);
    let boot = &mut bytes[(DESCRIPTORS + 1) * SECTOR..];
    boot[7..30].copy_from_slice(b"EL TORITO SPECIFICATION");
    boot[71..75].copy_from_slice(&u32::try_from(CATALOG).expect("small").to_le_bytes());
    bytes[CATALOG * SECTOR..][..64].copy_from_slice(&catalog());
    bytes[IMAGE * SECTOR..][..image.len()].copy_from_slice(&image);
    fs::write(disc, bytes).expect("the disc");
}

/// The validation entry, for UEFI, and the one image; a count of one sector means all to the end of the disc.
fn catalog() -> [u8; 64] {
    let mut catalog = [0; 64];
    catalog[0] = 1;
    catalog[1] = 0xef;
    catalog[30..32].copy_from_slice(&[0x55, 0xaa]);
    let words = catalog[..32].chunks(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
    let sum = words.fold(0_u16, u16::wrapping_add);
    catalog[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    catalog[32] = 0x88;
    catalog[38] = 1;
    catalog[40..44].copy_from_slice(&u32::try_from(IMAGE).expect("small").to_le_bytes());
    catalog
}
