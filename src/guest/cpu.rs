//! CPUID, model-specific registers, and the line about the processor.

use core::arch::asm;

use crate::line;
use crate::quoted::{Quoted, trim_zeros};

/// What CPUID answers in its four registers.
#[derive(Clone, Copy)]
pub struct Leaf {
    /// EAX
    pub eax: u32,
    /// EBX
    pub ebx: u32,
    /// ECX
    pub ecx: u32,
    /// EDX
    pub edx: u32,
}

/// CPUID's answer for `leaf` and `subleaf`.
pub fn cpuid(leaf: u32, subleaf: u32) -> Leaf {
    let (eax, ebx, ecx, edx): (u32, u64, u32, u32);
    // SAFETY: CPUID exists in long mode. LLVM keeps rbx for itself, so it is swapped and put back.
    unsafe {
        asm!("mov {ebx}, rbx", "cpuid", "xchg {ebx}, rbx", ebx = out(reg) ebx,
            inout("eax") leaf => eax, inout("ecx") subleaf => ecx, out("edx") edx,
            options(nostack, preserves_flags));
    }
    Leaf { eax, ebx: ebx as u32, ecx, edx }
}

/// Highest basic leaf.
pub fn max_leaf() -> u32 {
    cpuid(0, 0).eax
}

/// CPUID's answer for the extended `leaf`; `None` when the processor has it not.
pub fn extended(leaf: u32) -> Option<Leaf> {
    (cpuid(0x8000_0000, 0).eax >= leaf).then(|| cpuid(leaf, 0))
}

/// The twelve bytes of the vendor, in the order that leaf 0 keeps them.
pub fn vendor() -> [u8; 12] {
    let leaf = cpuid(0, 0);
    join([leaf.ebx, leaf.edx, leaf.ecx])
}

/// Whether the processor follows AMD's leaves: AMD itself and Hygon.
pub fn is_amd() -> bool {
    matches!(&vendor(), b"AuthenticAMD" | b"HygonGenuine")
}

/// Registers as the bytes they hold, one after another.
pub fn join<const N: usize, const M: usize>(registers: [u32; N]) -> [u8; M] {
    let mut bytes = [0; M];
    for (to, from) in bytes.chunks_exact_mut(4).zip(registers) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    bytes
}

/// Reads a model-specific register; a register that does not exist ends the guest with exception 13.
pub fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads no memory.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register; a value that it refuses ends the guest with exception 13.
pub fn write_msr(register: u32, value: u64) {
    // SAFETY: the callers write the local APIC's registers only, which change no memory of this program.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags));
    }
}

/// Writes the line `cpu`.
pub fn report() {
    let vendor = vendor();
    let vendor = core::str::from_utf8(trim_zeros(&vendor)).unwrap_or("unknown");
    let version = cpuid(1, 0).eax;
    let (family, model) = family_and_model(version);
    let stepping = version & 0xf;
    let brand = brand();
    let brand = trim_zeros(&brand).trim_ascii();
    line!("cpu vendor={vendor} family={family} model={model} stepping={stepping} brand={}", Quoted(brand));
}

/// Family and model with their extensions added, as both vendors' manuals say for leaf 1.
fn family_and_model(version: u32) -> (u32, u32) {
    let base_family = version >> 8 & 0xf;
    let base_model = version >> 4 & 0xf;
    let extended_model = (version >> 16 & 0xf) << 4;
    match base_family {
        0xf => (base_family + (version >> 20 & 0xff), base_model | extended_model),
        0x6 => (base_family, base_model | extended_model),
        _ => (base_family, base_model),
    }
}

/// The name in leaves 0x80000002 to 0x80000004; zeros when there is none.
fn brand() -> [u8; 48] {
    let mut brand = [0; 48];
    for (part, leaf) in brand.chunks_exact_mut(16).zip(0x8000_0002..) {
        let Some(leaf) = extended(leaf) else { break };
        part.copy_from_slice(&join::<4, 16>([leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]));
    }
    brand
}
