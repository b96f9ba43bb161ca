//! The ways out: off, reset, panic, and staying where one is.

use core::arch::asm;

use crate::cmos;
use crate::fadt::Fadt;
use crate::interrupt::triple_fault;
use crate::line;
use crate::port;
use crate::timer::wait;

/// Byte of the CMOS memory that counts resets: a reset keeps it, and neither QEMU nor SeaBIOS uses it.
const RESET_COUNT: u8 = 0x50;
/// How long the machine may take to obey: QEMU powers off and resets beside the vCPU that asks for it.
const OBEDIENCE_SECONDS: u64 = 10;
/// Reset control register of PIIX3 and ICH9.
const RESET_CONTROL: u16 = 0xcf9;
/// Default port of QEMU's `-device pvpanic` (QEMU: docs/specs/pvpanic.rst).
const PVPANIC: u16 = 0x505;
/// pvpanic: the guest panicked.
const PANICKED: u8 = 1;
/// pvpanic: the guest powers off.
const SHUTDOWN: u8 = 4;

/// Soft off.
pub fn off(fadt: Option<&Fadt>) -> ! {
    if let Some(fadt) = fadt {
        fadt.power_off();
        wait(fadt, OBEDIENCE_SECONDS, || false);
    }
    line!("error power=off the machine stays on");
    halt()
}

/// Sleep with the memory kept. A machine that has no such state powers off.
pub fn sleep(fadt: Option<&Fadt>) -> ! {
    if fadt.is_some_and(Fadt::suspend) {
        halt()
    }
    line!("error power=sleep the machine has no such state");
    off(fadt)
}

/// Resets until `resets` are counted, then powers off.
pub fn reset(fadt: Option<&Fadt>, resets: u8) -> ! {
    let count = cmos::read(RESET_COUNT);
    if count >= resets {
        cmos::write(RESET_COUNT, 0);
        off(fadt);
    }
    cmos::write(RESET_COUNT, count + 1);
    line!("reset {} of {resets}", count + 1);
    if let Some(fadt) = fadt {
        fadt.reset();
        wait(fadt, OBEDIENCE_SECONDS, || false);
    }
    port::write_u8(RESET_CONTROL, 0x02);
    port::write_u8(RESET_CONTROL, 0x06);
    triple_fault()
}

/// Tells QEMU that the guest panicked, and halts: what becomes of the machine is QEMU's `-action panic=`.
pub fn panic(fadt: Option<&Fadt>) -> ! {
    tell(PANICKED, "panic", fadt)
}

/// Tells QEMU that the guest powers off, which QEMU then does.
pub fn shutdown(fadt: Option<&Fadt>) -> ! {
    tell(SHUTDOWN, "shutdown", fadt)
}

/// Tells QEMU of `event`, which the guest calls `name`, or powers off where QEMU would not hear it.
fn tell(event: u8, name: &str, fadt: Option<&Fadt>) -> ! {
    // The port tells which events it knows; where nothing is, it reads as all ones.
    let events = port::read_u8(PVPANIC);
    if events == u8::MAX || events & event == 0 {
        line!("error {name}=absent no pvpanic here takes it");
        off(fadt);
    }
    line!("{name}");
    port::write_u8(PVPANIC, event);
    halt()
}

/// Halts this vCPU for ever, deaf to interrupts.
pub fn halt() -> ! {
    loop {
        // SAFETY: stops the vCPU and touches nothing.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
    }
}

/// Keeps this vCPU at work for ever, deaf to interrupts.
pub fn spin() -> ! {
    loop {
        // SAFETY: does nothing; its presence keeps the compiler from taking the loop away.
        unsafe { asm!("", options(nomem, nostack, preserves_flags)) }
    }
}
