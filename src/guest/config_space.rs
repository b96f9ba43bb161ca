//! PCI configuration space, through memory where ACPI's `MCFG` table names it, else through two ports.

use core::fmt::{Display, Formatter, Result};

use crate::acpi::{HEADER, Tables};
use crate::physical::{read_register, write_register};
use crate::port;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;

/// Address of a PCI function in segment 0.
#[derive(Clone, Copy)]
pub struct Function {
    /// Bus.
    pub bus: u8,
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

impl Function {
    fn offset(self) -> u32 {
        u32::from(self.bus) << 16 | u32::from(self.device) << 11 | u32::from(self.function) << 8
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:02x}:{:02x}.{:x}", self.bus, self.device, self.function)
    }
}

/// A way to the registers of every function of segment 0.
#[derive(Clone, Copy)]
pub enum ConfigSpace {
    /// 4 KiB a function, from this physical address on, for all 256 buses.
    Memory(u64),
    /// The PC's first mechanism: an address port and a data port.
    Ports,
}

impl ConfigSpace {
    /// The best way of this machine.
    pub fn find(tables: Option<Tables>) -> Self {
        tables.and_then(memory_base).map_or(Self::Ports, Self::Memory)
    }

    /// The 32 bits at `offset`, a multiple of 4 below 256; all ones where nothing answers.
    pub fn read(self, function: Function, offset: u16) -> u32 {
        match self {
            Self::Memory(base) => read_register(memory_address(base, function, offset)),
            Self::Ports => {
                port::write_u32(ADDRESS, port_address(function, offset));
                port::read_u32(DATA)
            }
        }
    }

    /// Writes 32 bits at `offset`, a multiple of 4 below 256.
    pub fn write(self, function: Function, offset: u16, value: u32) {
        match self {
            Self::Memory(base) => write_register(memory_address(base, function, offset), value),
            Self::Ports => {
                port::write_u32(ADDRESS, port_address(function, offset));
                port::write_u32(DATA, value);
            }
        }
    }
}

fn memory_address(base: u64, function: Function, offset: u16) -> u64 {
    base + (u64::from(function.offset()) << 4) + u64::from(offset)
}

fn port_address(function: Function, offset: u16) -> u32 {
    1 << 31 | function.offset() | u32::from(offset)
}

/// Base of the first window when it is segment 0, all its buses, and mapped by this program.
fn memory_base(tables: Tables) -> Option<u64> {
    const BUSES: u64 = 1 << 28;
    let mcfg = tables.table(*b"MCFG")?.from(HEADER + 8)?;
    let base = mcfg.u64(0)?;
    let whole = mcfg.u16(8)? == 0 && mcfg.u8(10)? == 0 && mcfg.u8(11)? == 255;
    (whole && base != 0 && base <= (1 << 32) - BUSES).then_some(base)
}
