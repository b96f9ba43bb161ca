//! Base address registers: where a function's memory and ports were put, and how much it asked for.

use core::fmt::{Formatter, Result};

use crate::config_space::{ConfigSpace, Function};

const COMMAND: u16 = 0x04;
/// Command: the function answers at its ports and at its memory.
const DECODE: u32 = 0b11;
const FIRST: u16 = 0x10;
const COUNT: u16 = 6;

/// One register, or two of them when it is 64 bits wide.
struct Bar {
    kind: &'static str,
    address: u64,
    size: u64,
    wide: bool,
}

/// Writes ` barN=… barN_size=… barN_kind=…` for each that the endpoint `function` has.
pub fn write_all(f: &mut Formatter<'_>, space: ConfigSpace, function: Function) -> Result {
    let mut index = 0;
    while index < COUNT {
        let Bar { kind, address, size, wide } = read(space, function, index);
        if size != 0 {
            write!(f, " bar{index}={address:#x} bar{index}_size={size:#x} bar{index}_kind={kind}")?;
        }
        index += if wide { 2 } else { 1 };
    }
    Ok(())
}

/// Physical address of `offset` in the memory behind BAR `index` of `function`; `None` when that is not memory, not that
/// long, or not below 4 GiB.
pub fn memory(space: ConfigSpace, function: Function, index: u16, offset: u32) -> Option<u64> {
    let Bar { kind, address, size, wide: _ } = (index < COUNT).then(|| read(space, function, index))?;
    let end = address.checked_add(size)?;
    (kind != "io" && address != 0 && u64::from(offset) + 4 <= size && end <= 1 << 32)
        .then_some(address + u64::from(offset))
}

fn read(space: ConfigSpace, function: Function, index: u16) -> Bar {
    let offset = FIRST + index * 4;
    let low = space.read(function, offset);
    let (kind, flags, wide) = match low & 0xf {
        io if io & 1 == 1 => ("io", 0x3, false),
        0x4 => ("mem64", 0xf, true),
        0xc => ("mem64-prefetch", 0xf, true),
        0x8 => ("mem32-prefetch", 0xf, false),
        _ => ("mem32", 0xf, false),
    };
    let wide = wide && index + 1 < COUNT;
    let high = if wide { space.read(function, offset + 4) } else { 0 };
    let command = space.read(function, COMMAND) & 0xffff;
    space.write(function, COMMAND, command & !DECODE);
    let low_mask = probe(space, function, offset, low) & !flags;
    let high_mask = if wide { probe(space, function, offset + 4, high) } else { u32::MAX };
    space.write(function, COMMAND, command);
    // 16 bits of port address may be all that a function decodes.
    let low_mask = if kind == "io" && low_mask != 0 { low_mask | 0xffff_0000 } else { low_mask };
    let mask = u64::from(high_mask) << 32 | u64::from(low_mask);
    let size = if low_mask == 0 && !wide { 0 } else { mask.wrapping_neg() };
    Bar { kind, address: u64::from(high) << 32 | u64::from(low & !flags), size, wide }
}

/// What of the register can be written, all ones tried; `value` is put back.
fn probe(space: ConfigSpace, function: Function, offset: u16, value: u32) -> u32 {
    space.write(function, offset, u32::MAX);
    let mask = space.read(function, offset);
    space.write(function, offset, value);
    mask
}
