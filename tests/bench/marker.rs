//! A firmware of a few instructions: it says that the first one ran, says that it powers off, and does.

/// I/O port of the debug console that it writes to.
pub(crate) const PORT: u16 = 0x402;
/// What it writes with its third instruction.
pub(crate) const FIRST: u8 = b'1';
/// What it writes before it powers off.
pub(crate) const OFF: u8 = b'2';

/// Where the power management registers are put; QEMU `hw/acpi/ich9.c`.
const POWER: u16 = 0x600;

/// 128 KiB: code at the start of the last 64 KiB, which is where the reset vector, 16 bytes before the end, jumps to.
pub(crate) fn rom() -> Vec<u8> {
    let mut code = out8(PORT, FIRST);
    // PMBASE and ACPI_EN of q35's ISA bridge, 00:1f.0; Intel 82801I data sheet, 13.1.
    code.extend(config(0x40).into_iter().chain(out32(0xcfc, u32::from(POWER) | 1)));
    code.extend(config(0x44).into_iter().chain(out8(0xcfc, 0x80)));
    code.extend(out8(PORT, OFF));
    // PM1 control: SLP_EN, type 0, which is QEMU's S5.
    code.extend(out16(POWER + 4, 0x2000));
    // hlt, and again.
    code.extend([0xf4, 0xeb, 0xfd]);
    let mut rom = vec![0x90; 0x20000];
    rom[0x10000..0x10000 + code.len()].copy_from_slice(&code);
    // jmp near, from fff0 to 0000 of the segment.
    rom[0x1fff0..0x1fff3].copy_from_slice(&[0xe9, 0x0d, 0x00]);
    rom
}

/// Selects a register of 00:1f.0.
fn config(register: u8) -> Vec<u8> {
    out32(0xcf8, 0x8000_f800 | u32::from(register))
}

/// mov dx, port; mov al, value; out dx, al.
fn out8(port: u16, value: u8) -> Vec<u8> {
    let [low, high] = port.to_le_bytes();
    vec![0xba, low, high, 0xb0, value, 0xee]
}

/// mov dx, port; mov ax, value; out dx, ax.
fn out16(port: u16, value: u16) -> Vec<u8> {
    let ([low, high], [first, second]) = (port.to_le_bytes(), value.to_le_bytes());
    vec![0xba, low, high, 0xb8, first, second, 0xef]
}

/// mov dx, port; mov eax, value; out dx, eax; 32 bits in 16-bit mode by their prefix.
fn out32(port: u16, value: u32) -> Vec<u8> {
    let [low, high] = port.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    vec![0xba, low, high, 0x66, 0xb8, a, b, c, d, 0x66, 0xef]
}
