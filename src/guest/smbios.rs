//! The machine's name and UUID, from SMBIOS (DMTF DSP0134, structure type 1).

use core::fmt::{Display, Formatter, Result};

use crate::line;
use crate::physical::Bytes;
use crate::quoted::Quoted;

const SYSTEM: u8 = 1;
const END: u8 = 127;

/// One structure: its fixed part, and the strings that follow it.
struct Structure {
    fields: Bytes,
    strings: Bytes,
}

/// Writes the line `smbios`.
pub fn report() {
    let Some(system) = table().and_then(|table| structures(table).find(|s| s.fields.u8(0) == Some(SYSTEM))) else {
        line!("smbios none");
        return;
    };
    let manufacturer = Quoted(system.string(4));
    let product = Quoted(system.string(5));
    let uuid = Uuid(system.fields.array(8).unwrap_or_default());
    line!("smbios manufacturer={manufacturer} product={product} uuid={uuid}");
}

/// All structures, found by either entry point on the 16-byte boundaries of the firmware's segment.
fn table() -> Option<Bytes> {
    (0xf_0000..0x10_0000).step_by(16).filter_map(|address| Bytes::at(address, 32)).find_map(|entry| {
        match (entry.array(0)?, entry.u8(4)?) {
            ([b'_', b'S', b'M', b'3'], b'_') => Bytes::at(entry.u64(0x10)?, entry.u32(0x0c)? as usize),
            ([b'_', b'S', b'M', b'_'], _) => Bytes::at(u64::from(entry.u32(0x18)?), usize::from(entry.u16(0x16)?)),
            _ => None,
        }
    })
}

fn structures(table: Bytes) -> impl Iterator<Item = Structure> {
    let mut rest = Some(table);
    core::iter::from_fn(move || {
        let bytes = rest.filter(|bytes| bytes.u8(0) != Some(END))?;
        let length = usize::from(bytes.u8(1)?).max(4);
        let strings = bytes.from(length)?;
        // Two zeros end the strings, also when there are none.
        let end = strings.0.windows(2).position(|pair| pair == [0, 0])?;
        rest = strings.from(end + 2);
        Some(Structure { fields: Bytes(bytes.0.get(..length)?), strings })
    })
}

impl Structure {
    /// The string that the byte at `offset` names by its number from 1; empty for 0.
    fn string(&self, offset: usize) -> &'static [u8] {
        let number = self.fields.u8(offset).unwrap_or(0);
        let index = usize::from(number).checked_sub(1);
        index.and_then(|index| self.strings.0.split(|&byte| byte == 0).nth(index)).unwrap_or_default()
    }
}

/// The UUID as SMBIOS 2.6 keeps it: the first three fields little-endian.
struct Uuid([u8; 16]);

impl Display for Uuid {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        for (position, byte) in ORDER.iter().map(|&index| self.0[index]).enumerate() {
            let dash = if matches!(position, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}
