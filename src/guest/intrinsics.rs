//! The memory routines that the compiler calls by name. The target's own come with libc, which is not here.

use core::arch::asm;

/// C's `memcpy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller answers for both ranges.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

/// C's `memmove`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= length {
        // SAFETY: `to` is not inside the source, so copying upwards is right.
        return unsafe { memcpy(to, from, length) };
    }
    // SAFETY: the caller answers for both ranges; they overlap, so the last byte goes first. `length` is
    // not 0 here, and the direction flag is put back as the ABI wants it.
    unsafe {
        asm!("std", "rep movsb", "cld",
            inout("rcx") length => _,
            inout("rdi") to.wrapping_add(length - 1) => _,
            inout("rsi") from.wrapping_add(length - 1) => _,
            options(nostack));
    }
    to
}

/// C's `memset`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
    // SAFETY: the caller answers for the range.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") byte as u8,
            options(nostack, preserves_flags));
    }
    to
}

/// C's `memcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    for index in 0..length {
        // SAFETY: the caller answers for both ranges.
        let (a, b) = unsafe { (left.add(index).read(), right.add(index).read()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// The `bcmp` that LLVM prefers to `memcmp` when only equality is asked.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    // SAFETY: the caller answers for both ranges.
    unsafe { memcmp(left, right, length) }
}
