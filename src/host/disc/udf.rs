//! The UDF half of a disc; ECMA-167, parts 3 and 4.

use super::{Disc, FOLDER, SECTOR, Sectors, long, word};

/// Where the anchor is, and the tag of its descriptor; part 3, 8.4.2.
const ANCHOR: u32 = 256;
/// Descriptors of the volume that are looked at.
const DESCRIPTORS: u32 = 32;

/// Tags of descriptors; part 3, 7.2.1 and part 4, 7.2.1.
mod tag {
    pub(super) const ANCHOR: u16 = 2;
    pub(super) const PARTITION: u16 = 5;
    pub(super) const LOGICAL_VOLUME: u16 = 6;
    pub(super) const TERMINATOR: u16 = 8;
    pub(super) const FILE_SET: u16 = 256;
    pub(super) const FILE_IDENTIFIER: u16 = 257;
    pub(super) const FILE: u16 = 261;
    pub(super) const EXTENDED_FILE: u16 = 266;
}

/// The logical volume and the names in its root folder; those of a disc whose partitions are not plain stay unknown.
pub(super) fn read(sectors: &mut Sectors) -> Option<Disc> {
    let anchor = descriptor(sectors, ANCHOR, tag::ANCHOR)?;
    let first = long(&anchor, 20)?;
    let (mut partition, mut volume) = (None, None);
    for sector in first..first.checked_add(DESCRIPTORS)? {
        let found = sectors.read(sector, SECTOR)?;
        match word(&found, 0)? {
            tag::PARTITION => partition = long(&found, 188),
            tag::LOGICAL_VOLUME => volume = Some(found),
            tag::TERMINATOR => break,
            _ => {}
        }
    }
    let volume = volume?;
    let label = dstring(volume.get(84..212)?);
    let names = partition.and_then(|start| names(sectors, start, long(&volume, 252)?)).unwrap_or_default();
    Some(Disc { label, names })
}

fn descriptor(sectors: &mut Sectors, sector: u32, tag: u16) -> Option<Vec<u8>> {
    sectors.read(sector, SECTOR).filter(|found| word(found, 0) == Some(tag))
}

/// The names in the root folder of the file set at `block` of the partition that begins at sector `start`.
fn names(sectors: &mut Sectors, start: u32, block: u32) -> Option<Vec<String>> {
    let set = descriptor(sectors, start.checked_add(block)?, tag::FILE_SET)?;
    let entry = sectors.read(start.checked_add(long(&set, 404)?)?, SECTOR)?;
    let (attributes, descriptors) = match word(&entry, 0)? {
        tag::FILE => (168, 176),
        tag::EXTENDED_FILE => (208, 216),
        _ => return None,
    };
    let begin = descriptors + usize::try_from(long(&entry, attributes)?).ok()?;
    // The low three bits say how the content is told: 0 and 1 by where it lies, 3 in this very place.
    let content = match word(&entry, 34)? & 7 {
        0 | 1 => {
            let length = usize::try_from(long(&entry, begin)? & 0x3fff_ffff).ok()?;
            sectors.read(start.checked_add(long(&entry, begin.checked_add(4)?)?)?, length.min(FOLDER))?
        }
        3 => entry.get(begin..)?.to_vec(),
        _ => return None,
    };
    Some(identifiers(&content))
}

/// The names in the file identifiers of a folder; part 4, 14.4.
fn identifiers(content: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(found) = content.get(at..).filter(|rest| word(rest, 0) == Some(tag::FILE_IDENTIFIER)) {
        let (Some(&kind), Some(&length), Some(used)) = (found.get(18), found.get(19), word(found, 36)) else { break };
        let (length, begin) = (usize::from(length), 38 + usize::from(used));
        // Bit 2 is a deleted file, bit 3 the folder above.
        if kind & 0b1100 == 0 {
            names.extend(found.get(begin..begin + length).map(|name| text(name).to_ascii_uppercase()));
        }
        at += (begin + length).next_multiple_of(4);
    }
    names
}

/// Text in a field of its own length, which the last byte tells; part 1, 7.2.12.
fn dstring(field: &[u8]) -> String {
    let length = usize::from(field.last().copied().unwrap_or_default());
    field.get(..length).map(text).unwrap_or_default()
}

/// Text behind the byte that says how wide its characters are: 8 or 16 bits; UDF 2.1.1.
fn text(bytes: &[u8]) -> String {
    match bytes.split_first() {
        Some((8, narrow)) => narrow.iter().map(|&byte| char::from(byte)).collect(),
        Some((16, wide)) => {
            let units: Vec<_> = wide.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::new(),
    }
}
