//! x86 I/O ports. The guest owns its whole machine, so any port may be touched by any part of it.

use core::arch::asm;

/// Reads 8 bits from `port`.
pub fn read_u8(port: u16) -> u8 {
    let value;
    // SAFETY: touches no memory; see the module's text.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Reads 16 bits from `port`.
pub fn read_u16(port: u16) -> u16 {
    let value;
    // SAFETY: touches no memory; see the module's text.
    unsafe { asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Reads 32 bits from `port`.
pub fn read_u32(port: u16) -> u32 {
    let value;
    // SAFETY: touches no memory; see the module's text.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Fills `buffer` from `port`, byte by byte, as one string instruction: one exit under KVM, not one a byte.
pub fn read_string(port: u16, buffer: &mut [u8]) {
    // SAFETY: writes exactly the bytes of `buffer`.
    unsafe {
        asm!("rep insb", in("dx") port, inout("rdi") buffer.as_mut_ptr() => _, inout("rcx") buffer.len() => _,
            options(nostack, preserves_flags));
    }
}

/// Writes 8 bits to `port`.
pub fn write_u8(port: u16, value: u8) {
    // SAFETY: touches no memory; see the module's text.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) }
}

/// Writes 16 bits to `port`.
pub fn write_u16(port: u16, value: u16) {
    // SAFETY: touches no memory; see the module's text.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags)) }
}

/// Writes 32 bits to `port`.
pub fn write_u32(port: u16, value: u32) {
    // SAFETY: touches no memory; see the module's text.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags)) }
}
