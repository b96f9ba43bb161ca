//! What a disk or a disc can be started by, as its own first sectors say.

use crate::host::Root;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What can start it. Neither, where there is nothing to start, as on a new disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Boots {
    /// A BIOS: there is code in its boot sector, or a boot image for one.
    pub bios: bool,
    /// UEFI: it has a partition that UEFI looks into, or a boot image for it. Whether a loader lies there is not looked at.
    pub efi: bool,
}

/// Bytes of a partition table: boot sector, header and the usual 128 entries of a GPT. UEFI specification, section 5.3.
const TABLE: usize = 34 * 512;

/// Size of a sector of a disc, and the sector with the record of El Torito. El Torito specification, section 2.
const DISC_SECTOR: u64 = 2048;
const DISC_RECORD: u64 = 17;

/// Types of partitions with a FAT, in which UEFI looks for a loader: those of DOS, and the one that is made for it.
const FAT: [u8; 7] = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e, 0xef];

/// Type of the one entry of a boot sector that guards a GPT.
const GUARD: u8 = 0xee;

/// An EFI system partition, as a GPT writes it: `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`.
const SYSTEM: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

/// Gives so many bytes from there; fewer where the image ends.
type Read<'a> = &'a dyn Fn(u64, usize) -> Option<Vec<u8>>;

/// What can start the image at `path` of `format`; `None` when that cannot be told.
pub(super) fn read(root: &Root, path: &Path, format: &str) -> Option<Boots> {
    let file = |at: u64, size: usize| root.piece(path, at, size);
    match format {
        "raw" => of(&file),
        "qcow2" => of_qcow2(&file),
        _ => None,
    }
}

fn of(read: Read<'_>) -> Option<Boots> {
    let (disk, disc) = (of_disk(&read(0, TABLE)?), of_disc(read).unwrap_or_default());
    Some(Boots { bios: disk.bios || disc.bios, efi: disk.efi || disc.efi })
}

fn of_disk(table: &[u8]) -> Boots {
    if table.get(510..512) != Some(&[0x55, 0xaa]) {
        return Boots::default();
    }
    let has = |wanted: &dyn Fn(u8) -> bool| (0..4).any(|entry| wanted(table[0x1be + 16 * entry + 4]));
    // A file system without partitions, as on a stick.
    let is_fat = [0x36, 0x52].iter().any(|at| table[*at..].starts_with(b"FAT"));
    let efi = is_fat || has(&|kind| FAT.contains(&kind)) || (has(&|kind| kind == GUARD) && gpt_has_system(table));
    Boots { bios: table[..440].iter().any(|byte| *byte != 0), efi }
}

/// Whether the GPT has an EFI system partition; of one that lies elsewhere, as on sectors of 4096 bytes, it is taken for
/// granted.
fn gpt_has_system(table: &[u8]) -> bool {
    let usual = table.get(512..520) == Some(b"EFI PART") && table.get(584..592) == Some(&2_u64.to_le_bytes());
    !usual || table.chunks(128).skip(8).any(|entry| entry.starts_with(&SYSTEM))
}

/// El Torito specification, figures 2, 3 and 5.
fn of_disc(read: Read<'_>) -> Option<Boots> {
    let record = read(DISC_RECORD * DISC_SECTOR, 0x4b).filter(|record| record.len() == 0x4b)?;
    if !record.starts_with(b"\0CD001") || !record[7..].starts_with(b"EL TORITO SPECIFICATION") {
        return None;
    }
    let catalog = u32::from_le_bytes(record[0x47..].try_into().ok()?);
    let catalog = read(u64::from(catalog) * DISC_SECTOR, 2048)?;
    // The first entry, and those at the head of a section, name a platform.
    let platforms =
        catalog.chunks_exact(32).filter(|entry| matches!(entry[0], 0x01 | 0x90 | 0x91)).map(|entry| entry[1]);
    let platforms: Vec<u8> = platforms.collect();
    Some(Boots { bios: platforms.contains(&0), efi: platforms.contains(&0xef) })
}

/// By the image's first cluster, which holds a partition table whole. QEMU: `docs/interop/qcow2.txt`.
fn of_qcow2(file: Read<'_>) -> Option<Boots> {
    let head = file(0, 104).filter(|head| head.len() == 104)?;
    let word = |at: usize| head[at..at + 4].try_into().ok().map(u32::from_be_bytes);
    let (version, cluster_bits, crypt) = (word(4)?, word(20)?, word(32)?);
    // Dirty and corrupt marks do not matter; data in another file and divided clusters do.
    let odd = version >= 3 && number(&head, 72)? & !0b11 != 0;
    if !(2..=3).contains(&version) || !(15..=21).contains(&cluster_bits) || crypt != 0 || odd {
        return None;
    }
    let entry = |table: u64| number(&file(table, 8)?, 0);
    let has_base = number(&head, 8)? != 0;
    let second = entry(number(&head, 40)?)? & OFFSET;
    let cluster = if second == 0 { 0 } else { entry(second)? };
    match (cluster & OFFSET, cluster & COMPRESSED != 0, cluster & ZEROES != 0) {
        (_, true, _) => None,
        // What is not there lies in the image below.
        (0, _, false) if has_base => None,
        (0, ..) | (_, _, true) => Some(Boots::default()),
        (start, ..) => of(&|at, size| {
            let inside = at.checked_add(size as u64).is_some_and(|end| end <= 1 << cluster_bits);
            if inside { file(start + at, size) } else { None }
        }),
    }
}

/// Where a cluster lies, in an entry of a qcow2 table.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Marks of a cluster.
const COMPRESSED: u64 = 1 << 62;
const ZEROES: u64 = 1;

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod test {
    use super::{Boots, SYSTEM, of, of_qcow2};

    const BIOS: Boots = Boots { bios: true, efi: false };
    const EFI: Boots = Boots { bios: false, efi: true };

    fn seen(image: &[u8], by: fn(super::Read<'_>) -> Option<Boots>) -> Option<Boots> {
        by(&|at, size| {
            let start = usize::try_from(at).unwrap().min(image.len());
            Some(image[start..(start + size).min(image.len())].to_vec())
        })
    }

    /// A disk with a boot sector of one partition of `kind`.
    fn disk(code: u8, kind: u8) -> Vec<u8> {
        let mut disk = vec![0; 64 << 10];
        disk[0] = code;
        disk[0x1be + 4] = kind;
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    fn gpt(kind: &[u8]) -> Vec<u8> {
        let mut disk = disk(0, 0xee);
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[584] = 2;
        disk[1024 + 128..][..16].copy_from_slice(kind);
        disk
    }

    #[test]
    fn a_disk_tells_by_its_partitions() {
        assert_eq!(seen(&vec![0; 64 << 10], of), Some(Boots::default()));
        assert_eq!(seen(b"short", of), Some(Boots::default()));
        assert_eq!(seen(&disk(0xeb, 0x07), of), Some(BIOS));
        assert_eq!(seen(&disk(0, 0xef), of), Some(EFI));
        assert_eq!(seen(&gpt(&SYSTEM), of), Some(EFI));
        assert_eq!(seen(&gpt(&[7; 16]), of), Some(Boots::default()));
        // The header is where sectors of 4096 bytes put it.
        assert_eq!(seen(&disk(0, 0xee), of), Some(EFI));
    }

    #[test]
    fn a_file_system_without_partitions_is_looked_into_by_uefi() {
        let mut stick = disk(0xeb, 0);
        stick[0x52..0x57].copy_from_slice(b"FAT32");
        assert_eq!(seen(&stick, of), Some(Boots { bios: true, efi: true }));
    }

    #[test]
    fn a_disc_tells_by_its_boot_catalog() {
        let mut disc = vec![0; 20 * 2048];
        disc[17 * 2048..][..6].copy_from_slice(b"\0CD001");
        disc[17 * 2048 + 7..][..23].copy_from_slice(b"EL TORITO SPECIFICATION");
        disc[17 * 2048 + 0x47] = 19;
        disc[19 * 2048] = 1;
        assert_eq!(seen(&disc, of), Some(BIOS));
        disc[19 * 2048 + 64..][..2].copy_from_slice(&[0x91, 0xef]);
        assert_eq!(seen(&disc, of), Some(Boots { bios: true, efi: true }));
    }

    #[test]
    fn a_qcow2_image_is_looked_into_unless_it_is_above_another() {
        let mut image = vec![0; 256 << 10];
        let mut put = |at: usize, number: u64| image[at..at + 8].copy_from_slice(&number.to_be_bytes());
        put(0, 0x5146_49fb_0000_0003);
        put(16, 16);
        put(40, 64 << 10);
        assert_eq!(seen(&image.clone(), of_qcow2), Some(Boots::default()), "nothing was written yet");
        let mut put = |at: usize, number: u64| image[at..at + 8].copy_from_slice(&number.to_be_bytes());
        put(64 << 10, (1 << 63) | (128 << 10));
        put(128 << 10, (1 << 63) | (192 << 10));
        image[192 << 10..].copy_from_slice(&disk(0xeb, 0x07));
        assert_eq!(seen(&image, of_qcow2), Some(BIOS));
        let mut above = image.clone();
        above[8..16].copy_from_slice(&104_u64.to_be_bytes());
        above[128 << 10..][..8].fill(0);
        assert_eq!(seen(&above, of_qcow2), None, "it may lie in the image below");
        assert_eq!(seen(b"QFI\xfb", of_qcow2), None);
    }
}
