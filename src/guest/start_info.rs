//! What the loader tells at the start: `hvm_start_info` of the PVH boot ABI (Xen's `arch-x86/hvm/start_info.h`).

use crate::physical::Bytes;

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;
/// Bytes of one `hvm_memmap_table_entry`.
const ENTRY: usize = 24;
/// Longest command line that is looked at; QEMU's option ROM keeps less.
const COMMAND_LINE: usize = 4096;

/// The loader's tables.
#[derive(Clone, Copy)]
pub struct StartInfo(Bytes);

/// One range of the memory map.
pub struct Range {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// The E820 type; [`USABLE`] is memory that an operating system may take.
    pub kind: u32,
}

/// E820's type of ordinary memory.
pub const USABLE: u32 = 1;

impl StartInfo {
    /// The structure at physical `address`; `None` when the magic is not there.
    pub fn at(address: u32) -> Option<Self> {
        let bytes = Bytes::at(u64::from(address), 56)?;
        (bytes.u32(0)? == MAGIC).then_some(Self(bytes))
    }

    /// The command line, what `-append` held; empty when there is none.
    pub fn command_line(self) -> &'static [u8] {
        self.0.u64(24).and_then(|address| Bytes::at(address, COMMAND_LINE)).map_or(&[], Bytes::until_zero)
    }

    /// Physical address of ACPI's RSDP; 0 when the loader found none.
    pub fn rsdp(self) -> u64 {
        self.0.u64(32).unwrap_or(0)
    }

    /// The memory map, as the firmware gave it; empty before version 1 of the structure.
    pub fn memory_map(self) -> impl Iterator<Item = Range> {
        self.entries().into_iter().flat_map(|bytes| bytes.0.chunks_exact(ENTRY)).filter_map(|entry| {
            let entry = Bytes(entry);
            Some(Range { address: entry.u64(0)?, size: entry.u64(8)?, kind: entry.u32(16)? })
        })
    }

    fn entries(self) -> Option<Bytes> {
        let version = self.0.u32(4)?;
        let count = self.0.u32(48)? as usize;
        (version >= 1).then(|| Bytes::at(self.0.u64(40)?, count * ENTRY)).flatten()
    }
}
