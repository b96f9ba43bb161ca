//! The local APIC of the first vCPU, in either mode, and one input of an I/O APIC (Intel SDM, volume 3, chapter
//! "Advanced Programmable Interrupt Controller"; 82093AA data sheet).

use crate::cpu::{cpuid, read_msr, write_msr};
use crate::physical::{read_register, write_register};

const APIC_BASE: u32 = 0x1b;
const GLOBAL_ENABLE: u64 = 1 << 11;
const X2APIC_ENABLE: u64 = 1 << 10;
const ADDRESS: u64 = 0xf_ffff_f000;

/// Registers as offsets of the memory page; the MSRs are 0x800 plus a sixteenth of it.
const ID: u32 = 0x20;
const END_OF_INTERRUPT: u32 = 0xb0;
const SPURIOUS: u32 = 0xf0;
const COMMAND: u32 = 0x300;
const COMMAND_HIGH: u32 = 0x310;

/// Spurious vector register: the APIC is on.
const SOFTWARE_ENABLE: u32 = 1 << 8;
/// Command: to all but the sender, level asserted.
const ALL_OTHERS: u32 = 0b11 << 18 | 1 << 14;
const INIT: u32 = 0b101 << 8;
const START_UP: u32 = 0b110 << 8;
/// Command: the one before has not gone out yet.
const PENDING: u32 = 1 << 12;

/// The local APIC, in the mode that it was found in or put into.
#[derive(Clone, Copy)]
pub struct LocalApic {
    /// Address of the register page; `None` in x2APIC mode.
    page: Option<u64>,
}

impl LocalApic {
    /// This vCPU's APIC, switched on. `wide` asks for x2APIC mode, which is also kept when the firmware chose it.
    pub fn open(wide: bool) -> Self {
        // Leaf 1, ECX bit 21: x2APIC.
        let wide = wide && cpuid(1, 0).ecx >> 21 & 1 == 1;
        let mut base = read_msr(APIC_BASE) | GLOBAL_ENABLE;
        if wide {
            base |= X2APIC_ENABLE;
        }
        write_msr(APIC_BASE, base);
        let apic = Self { page: (base & X2APIC_ENABLE == 0).then_some(base & ADDRESS) };
        apic.write(SPURIOUS, SOFTWARE_ENABLE | u32::from(crate::interrupt::SPURIOUS_VECTOR));
        apic
    }

    /// Resets all other vCPUs; they wait for [`Self::start_others`] then.
    pub fn init_others(self) {
        self.command(ALL_OTHERS | INIT);
    }

    /// Starts all other vCPUs that wait, in real mode at the page whose physical address is `page`.
    pub fn start_others(self, page: u32) {
        self.command(ALL_OTHERS | START_UP | page >> 12);
    }

    /// Ends the interrupt that is being handled.
    pub fn end_interrupt(self) {
        self.write(END_OF_INTERRUPT, 0);
    }

    /// The id by which an I/O APIC reaches this vCPU.
    fn id(self) -> u32 {
        let id = self.read(ID);
        if self.page.is_some() { id >> 24 } else { id }
    }

    fn command(self, command: u32) {
        if self.page.is_some() {
            self.write(COMMAND_HIGH, 0);
        }
        self.write(COMMAND, command);
        while self.page.is_some() && self.read(COMMAND) & PENDING != 0 {
            core::hint::spin_loop();
        }
    }

    fn read(self, register: u32) -> u32 {
        match self.page {
            Some(page) => read_register(page + u64::from(register)),
            None => read_msr(0x800 + register / 16) as u32,
        }
    }

    fn write(self, register: u32, value: u32) {
        match self.page {
            Some(page) => write_register(page + u64::from(register), value),
            None => write_msr(0x800 + register / 16, u64::from(value)),
        }
    }
}

/// Sends level-triggered input `pin` of the I/O APIC at `io_apic` to the vCPU of `apic` as `vector`.
pub fn route(io_apic: u64, pin: u32, active_low: bool, vector: u8, apic: LocalApic) {
    const LEVEL: u32 = 1 << 15;
    let polarity = u32::from(active_low) << 13;
    let low = 0x10 + pin * 2;
    let write = |register: u32, value: u32| {
        write_register(io_apic, register);
        write_register(io_apic + 0x10, value);
    };
    write(low + 1, apic.id() << 24);
    write(low, LEVEL | polarity | u32::from(vector));
}
