//! The demo guest as a file for QEMU's `-kernel`.

/// A 64-bit ELF with a PVH entry, made from `src/guest` by the build script.
///
/// It boots through SeaBIOS only, so not with OVMF, on `q35` and `pc` from 16 MiB of RAM on. Over the
/// first serial port it writes what it sees of its machine, one fact a line, each line with the prefix
/// `vmrun-guest: `, from `hello 1` to `done`; then it obeys its command line (QEMU's `-append`):
///
/// - `then=`: `poweroff` (also without the word), `wait` (until the power button is pressed), `ignore`
///   (the power button, for ever), `reset`, `panic` (by `-device pvpanic`), `hang`, `spin`, `crash`, `sleep` (ACPI
///   S3), `shutdown` (by pvpanic, which QEMU before 9.1 does not know)
/// - `resets=N`: how often `then=reset` resets, 0 to 255, before it powers off; 1 without the word
/// - `report=brief`: no lines for single vCPUs and PCI functions
/// - `year=31`: sets the clock to 2031
/// - `poke=01:00.0/2/502/0280`, up to four times: writes 0x280 to the register at offset 0x502 of that function's BAR 2
///   and says what was read there before and after; two, four or eight digits are 8, 16 or 32 bits
///
/// A word that it does not know becomes a line `error` before `done`, and the guest powers off.
pub const GUEST_ELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest.elf"));
