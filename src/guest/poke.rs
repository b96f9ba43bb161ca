//! A register of a device, written and read back on request: proof that the function answers where its BAR says.

use core::fmt::{Formatter, LowerHex, Result};

use crate::bar;
use crate::config_space::{ConfigSpace, Function};
use crate::line;
use crate::physical::Width;

/// Most that a command line may ask for.
pub const MOST: usize = 4;

/// `poke=01:00.0/2/502/0280`: the register at offset 0x502 of BAR 2, 16 bits wide as four digits say, becomes 0x280.
#[derive(Clone, Copy)]
pub struct Poke {
    function: Function,
    bar: u16,
    offset: u32,
    value: u32,
    width: Width,
}

impl Poke {
    /// Reads the value of the word; `None` when it is not as above.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|&byte| byte == b'/');
        let (function, bar, offset, digits) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let width = match digits.len() {
            2 => Width::Byte,
            4 => Width::Word,
            8 => Width::Long,
            _ => return None,
        };
        let poke = Self {
            function: address(function)?,
            bar: hex(bar)? as u16,
            offset: hex(offset)?,
            value: hex(digits)?,
            width,
        };
        parts.next().is_none().then_some(poke)
    }

    /// Does it, and writes a line `poke` with what was read before and after.
    pub fn carry_out(self, space: ConfigSpace) {
        let Self { function, bar, offset, value, width } = self;
        let Some(register) = bar::memory(space, function, bar, offset) else {
            line!("error poke={function} bar={bar} offset={offset:#x} is no memory that the firmware has placed");
            return;
        };
        let before = width.read(register);
        width.write(register, value);
        let after = width.read(register);
        let [before, value, after] = [before, value, after].map(|value| Digits { value, width });
        line!("poke address={function} bar={bar} offset={offset:#x} before={before:x} wrote={value:x} after={after:x}");
    }
}

/// `bb:dd.f`
fn address(text: &[u8]) -> Option<Function> {
    let [bus @ .., b':', d, e, b'.', function] = text else { return None };
    let [bus, device, function] = [hex(bus)?, hex(&[*d, *e])?, hex(&[*function])?];
    (bus < 256 && device < 32 && function < 8).then_some(Function {
        bus: bus as u8,
        device: device as u8,
        function: function as u8,
    })
}

/// One to eight digits.
fn hex(text: &[u8]) -> Option<u32> {
    u32::from_str_radix(core::str::from_utf8(text).ok()?, 16).ok()
}

/// A value with all digits of its width.
struct Digits {
    value: u32,
    width: Width,
}

impl LowerHex for Digits {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:0digits$x}", self.value, digits = self.width.bytes() * 2)
    }
}
