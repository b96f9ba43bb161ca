//! The ISO 9660 half of a disc; ECMA-119.

use super::{Disc, FOLDER, SECTOR, Sectors, long};

/// Where the volume descriptors begin, and how many are looked at.
const FIRST: u32 = 16;
const DESCRIPTORS: u32 = 16;

/// The primary volume and the names in its root folder.
pub(super) fn read(sectors: &mut Sectors) -> Option<Disc> {
    for sector in FIRST..FIRST + DESCRIPTORS {
        let descriptor = sectors.read(sector, SECTOR)?;
        match (&descriptor[1..6], descriptor[0]) {
            (b"CD001", 1) => return volume(&descriptor, sectors),
            (b"CD001", 0 | 2..=254) => {}
            _ => return None,
        }
    }
    None
}

fn volume(descriptor: &[u8], sectors: &mut Sectors) -> Option<Disc> {
    let label = String::from_utf8_lossy(descriptor.get(40..72)?).trim().to_owned();
    let (extent, length) = (long(descriptor, 158)?, long(descriptor, 166)?);
    let length = usize::try_from(length).unwrap_or(FOLDER).min(FOLDER);
    let names = sectors.read(extent, length).map(|folder| names(&folder)).unwrap_or_default();
    Some(Disc { label, names })
}

/// The names in a folder, whose records do not cross the ends of sectors.
fn names(folder: &[u8]) -> Vec<String> {
    folder.chunks(SECTOR).flat_map(names_in_sector).collect()
}

fn names_in_sector(sector: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = sector;
    while let Some((record, after)) = rest.first().and_then(|&length| rest.split_at_checked(length.into())) {
        if record.len() < 34 {
            break;
        }
        let name = record.get(33..33 + usize::from(record[32])).unwrap_or_default();
        // One byte, 0 or 1, is the folder itself or the one above.
        if name.len() > 1 || name.first().is_some_and(|&byte| byte > 1) {
            let name = String::from_utf8_lossy(name).to_ascii_uppercase();
            names.push(name.split(';').next().unwrap_or_default().trim_end_matches('.').to_owned());
        }
        rest = after;
    }
    names
}
