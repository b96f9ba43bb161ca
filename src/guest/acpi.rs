//! ACPI's tables, from the root pointer down (ACPI specification, chapter 5.2).

use crate::line;
use crate::physical::Bytes;
use crate::quoted::List;

/// Bytes of the header that every table but the FACS begins with.
pub const HEADER: usize = 36;

/// The root table: the list of all others.
#[derive(Clone, Copy)]
pub struct Tables {
    entries: Bytes,
    entry_size: usize,
}

impl Tables {
    /// The tables below the root pointer at physical `rsdp`; with 0 there, below the one that the firmware
    /// left where a PC keeps it. `None` when the machine has no ACPI.
    pub fn find(rsdp: u64) -> Option<Self> {
        let pointer = Bytes::at(rsdp, 36).filter(|bytes| is_pointer(*bytes)).or_else(search)?;
        // Revision 0 ends before the 64-bit address.
        let wide = if pointer.u8(15)? >= 2 { pointer.u64(24)? } else { 0 };
        let (root, entry_size) = match wide {
            0 => (u64::from(pointer.u32(16)?), 4),
            wide => (wide, 8),
        };
        Some(Self { entries: table_at(root)?.from(HEADER)?, entry_size })
    }

    /// All tables of the list, in its order.
    pub fn iter(self) -> impl Iterator<Item = Bytes> + Clone {
        self.entries.0.chunks_exact(self.entry_size).filter_map(|entry| {
            let low = u64::from(Bytes(entry).u32(0)?);
            let high = u64::from(Bytes(entry).u32(4).unwrap_or(0));
            table_at(high << 32 | low)
        })
    }

    /// The first table with this `signature`.
    pub fn table(self, signature: [u8; 4]) -> Option<Bytes> {
        self.iter().find(|table| table.array(0) == Some(signature))
    }

    /// Writes the line `acpi`.
    pub fn report(self) {
        line!("acpi tables={}", List(self.iter().filter_map(signature)));
    }
}

/// The table at physical `address`, header included, in its whole length.
pub fn table_at(address: u64) -> Option<Bytes> {
    let length = Bytes::at(address, HEADER)?.u32(4)? as usize;
    Bytes::at(address, length.max(HEADER))
}

fn signature(table: Bytes) -> Option<&'static str> {
    core::str::from_utf8(table.0.get(..4)?).ok()
}

fn is_pointer(bytes: Bytes) -> bool {
    bytes.array(0) == Some(*b"RSD PTR ")
}

/// Looks through the read-only memory below 1 MiB, on every boundary of 16 bytes.
fn search() -> Option<Bytes> {
    (0xe_0000..0x10_0000).step_by(16).filter_map(|address| Bytes::at(address, 36)).find(|bytes| is_pointer(*bytes))
}
