//! The interrupt controllers and vCPUs that ACPI's `APIC` table lists (ACPI specification, 5.2.12).

use crate::acpi::{HEADER, Tables};
use crate::physical::Bytes;

/// ACPI's flag of a processor that runs or can be started now.
const ENABLED: u32 = 1;

/// The table.
#[derive(Clone, Copy)]
pub struct Madt(Bytes);

/// How the ACPI interrupt reaches an I/O APIC.
pub struct SciWire {
    /// Physical address of the I/O APIC's registers.
    pub io_apic: u64,
    /// Input of that I/O APIC.
    pub pin: u32,
    /// The line is pulled down to signal.
    pub active_low: bool,
}

impl Madt {
    /// The table, `None` when the machine has none.
    pub fn find(tables: Tables) -> Option<Self> {
        tables.table(*b"APIC").map(Self)
    }

    /// APIC ids of the vCPUs that are present, in the firmware's order.
    pub fn vcpus(self) -> impl Iterator<Item = u32> {
        self.entries().filter_map(|entry| {
            let (apic, flags) = match entry.u8(0)? {
                0 => (u32::from(entry.u8(3)?), entry.u32(4)?),
                9 => (entry.u32(4)?, entry.u32(8)?),
                _ => return None,
            };
            (flags & ENABLED != 0).then_some(apic)
        })
    }

    /// The wire of ISA interrupt `irq`, which is the ACPI interrupt's. `None` when no I/O APIC takes it.
    pub fn sci_wire(self, irq: u16) -> Option<SciWire> {
        let (global, flags) = self.isa_override(irq).unwrap_or((u32::from(irq), 0));
        let (io_apic, first) = self.io_apic(global)?;
        // Polarity 0 means the bus's own, which for the ACPI interrupt is low as for 3; 1 is high.
        Some(SciWire { io_apic, pin: global - first, active_low: flags & 3 != 1 })
    }

    fn isa_override(self, irq: u16) -> Option<(u32, u16)> {
        let entry = self.entries().find(|entry| entry.u8(0) == Some(2) && entry.u8(3).map(u16::from) == Some(irq))?;
        Some((entry.u32(4)?, entry.u16(8)?))
    }

    /// Address and first interrupt of the I/O APIC with the highest first interrupt that is not above `global`.
    fn io_apic(self, global: u32) -> Option<(u64, u32)> {
        self.entries()
            .filter(|entry| entry.u8(0) == Some(1))
            .filter_map(|entry| Some((u64::from(entry.u32(4)?), entry.u32(8)?)))
            .filter(|(_, first)| *first <= global)
            .max_by_key(|(_, first)| *first)
    }

    /// The list behind the header, the local APIC's address and the flags.
    fn entries(self) -> impl Iterator<Item = Bytes> {
        let mut rest = self.0.from(HEADER + 8);
        core::iter::from_fn(move || {
            let bytes = rest?;
            let length = usize::from(bytes.u8(1)?);
            rest = bytes.from(length).filter(|_| length >= 2);
            bytes.0.get(..length).map(Bytes)
        })
    }
}
