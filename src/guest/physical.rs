//! Physical memory, which the boot code maps one to one up to 4 GiB.

/// Physical address where the identity map ends.
const MAPPED: u64 = 1 << 32;

/// Memory that the firmware wrote before this program ran and nobody writes since.
///
/// Every read is little-endian and `None` outside the bytes, so a table that lies about its size ends a
/// search and not the guest.
#[derive(Clone, Copy)]
pub struct Bytes(pub &'static [u8]);

impl Bytes {
    /// The `length` bytes at physical `address`; `None` for a null pointer and for what is not mapped.
    pub fn at(address: u64, length: usize) -> Option<Self> {
        let end = address.checked_add(length as u64)?;
        if address == 0 || end > MAPPED {
            return None;
        }
        // SAFETY: mapped by the boot code; firmware memory that this program never writes. The trampoline's
        // page and the memory-mapped registers, which do change, are reached by other ways.
        Some(Self(unsafe { core::slice::from_raw_parts(address as *const u8, length) }))
    }

    /// 8 bits at `offset`.
    pub fn u8(self, offset: usize) -> Option<u8> {
        self.0.get(offset).copied()
    }

    /// 16 bits at `offset`.
    pub fn u16(self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// 32 bits at `offset`.
    pub fn u32(self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// 64 bits at `offset`.
    pub fn u64(self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// `N` bytes at `offset`.
    pub fn array<const N: usize>(self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..)?.first_chunk().copied()
    }

    /// Everything from `offset` on.
    pub fn from(self, offset: usize) -> Option<Self> {
        self.0.get(offset..).map(Self)
    }

    /// The bytes before the first zero.
    pub fn until_zero(self) -> &'static [u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

/// Reads the 32-bit register that a device shows at physical `address`, below 4 GiB.
pub fn read_register(address: u64) -> u32 {
    assert!(address != 0 && address < MAPPED);
    // SAFETY: mapped; a device register is no Rust object, and volatile access is what it needs.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes the 32-bit register that a device shows at physical `address`, below 4 GiB.
pub fn write_register(address: u64, value: u32) {
    assert!(address != 0 && address < MAPPED);
    // SAFETY: as in `read_register`; no register that this program writes starts DMA.
    unsafe { (address as *mut u32).write_volatile(value) }
}

/// How much of a device's register is read or written at once.
#[derive(Clone, Copy)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Word,
    /// 32 bits.
    Long,
}

impl Width {
    /// Number of bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Long => 4,
        }
    }

    /// Reads the register that a device shows at physical `address`, below 4 GiB and a multiple of the width.
    pub fn read(self, address: u64) -> u32 {
        assert!(address != 0 && address < MAPPED);
        // SAFETY: as in `read_register`.
        unsafe {
            match self {
                Self::Byte => u32::from((address as *const u8).read_volatile()),
                Self::Word => u32::from((address as *const u16).read_volatile()),
                Self::Long => (address as *const u32).read_volatile(),
            }
        }
    }

    /// Writes the register that a device shows at physical `address`, below 4 GiB and a multiple of the width.
    pub fn write(self, address: u64, value: u32) {
        assert!(address != 0 && address < MAPPED);
        // SAFETY: as in `read_register`; what the register does is the business of whoever asked for it.
        unsafe {
            match self {
                Self::Byte => (address as *mut u8).write_volatile(value as u8),
                Self::Word => (address as *mut u16).write_volatile(value as u16),
                Self::Long => (address as *mut u32).write_volatile(value),
            }
        }
    }
}

/// Copies `code` to the page at physical `address`.
pub fn write_code(address: u32, code: &[u8]) {
    // SAFETY: the one caller names a page of conventional memory that neither the firmware, once it has
    // handed over, nor this program uses; `start_info` and what hangs on it are read before.
    unsafe { core::ptr::copy_nonoverlapping(code.as_ptr(), address as usize as *mut u8, code.len()) }
}
