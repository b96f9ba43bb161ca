//! Exceptions, which end the guest with a line that says why, and the one interrupt that wakes it from a halt.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::boot::{exception_stub, interrupt_handler};
use crate::line;
use crate::port;
use crate::power::halt;

/// Vector of the ACPI interrupt.
pub const SCI_VECTOR: u8 = 0x40;
/// Vector of the interrupt that an APIC gives when the one it announced has gone away.
pub const SPURIOUS_VECTOR: u8 = 0xff;

/// Selector of the boot code's 64-bit code segment.
const CODE: u64 = 0x18;
/// Present, 64-bit interrupt gate.
const GATE: u64 = 0x8e00;

static TABLE: [[AtomicU64; 2]; 256] = [const { [const { AtomicU64::new(0) }; 2] }; 256];

/// What the stub and the processor push, last first.
#[repr(C)]
pub struct Frame {
    vector: u64,
    code: u64,
    rip: u64,
}

/// Fills the table, loads it, and silences the two PC interrupt controllers, whose vectors are those of exceptions.
pub fn init() {
    for vector in 0..32 {
        set(vector, exception_stub(vector));
    }
    set(usize::from(SCI_VECTOR), interrupt_handler());
    set(usize::from(SPURIOUS_VECTOR), interrupt_handler());
    load();
    port::write_u8(0x21, 0xff);
    port::write_u8(0xa1, 0xff);
}

/// Makes the table that of this vCPU.
pub fn load() {
    load_from(&raw const TABLE as u64, size_of_val(&TABLE) as u16 - 1);
}

/// A table without entries: the next exception becomes a triple fault, which no processor survives.
pub fn triple_fault() -> ! {
    load_from(0, 0);
    // SAFETY: the machine ends here.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// Halts this vCPU until an interrupt arrives. The interrupt stays in service: its level is still up, so whoever
/// wakes up quiets the device first and then ends it at the APIC.
pub fn sleep() {
    // SAFETY: interrupts are open only from the halt to the next instruction, and their handler returns at once
    // with all registers kept. Without `nostack` the compiler keeps nothing below the stack pointer here.
    unsafe { asm!("sti", "hlt", "cli") }
}

/// Where every exception ends.
pub extern "C" fn exception(frame: &Frame) -> ! {
    let fault_address: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr2", out(reg) fault_address, options(nomem, nostack, preserves_flags)) }
    let Frame { vector, code, rip } = frame;
    line!("error exception vector={vector} code={code:#x} rip={rip:#x} cr2={fault_address:#x}");
    halt()
}

fn set(vector: usize, handler: usize) {
    let handler = handler as u64;
    let low = handler & 0xffff | CODE << 16 | GATE << 32 | (handler >> 16 & 0xffff) << 48;
    TABLE[vector][0].store(low, Relaxed);
    TABLE[vector][1].store(handler >> 32, Relaxed);
}

fn load_from(address: u64, limit: u16) {
    let mut pointer = [0; 10];
    pointer[..2].copy_from_slice(&limit.to_le_bytes());
    pointer[2..].copy_from_slice(&address.to_le_bytes());
    // SAFETY: the processor copies the ten bytes; the table that they name lives as long as the program.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(readonly, nostack, preserves_flags)) }
}
