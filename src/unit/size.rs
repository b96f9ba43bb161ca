//! An amount of memory or storage.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An amount of bytes, written with a unit of 1024: `8G` or `8GiB`, `512M`, `64K`, `4096B`.
///
/// `G` means GiB as in QEMU's `-m 8G` (QEMU `qemu_strtosz`, `util/cutils.c`). `GB` is refused, because half of its
/// readers take it for 10⁹, and a bare number, because QEMU reads it as MiB in one option and as bytes in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9]+ *(B|[KMGTP](iB)?)$", "examples" = ["8G", "8GiB", "512M"]))]
pub struct Size(u64);

/// Units of 1024, largest first, and their shift.
const UNITS: [(char, u32); 5] = [('P', 50), ('T', 40), ('G', 30), ('M', 20), ('K', 10)];

impl Size {
    /// `bytes` as a size.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(shape(text));
        }
        let count: u64 = number.parse().map_err(|_| format!("`{text}` is more bytes than 64 bits hold"))?;
        let shift = shift(text, number, unit.trim_start())?;
        count.checked_mul(1 << shift).map(Self).ok_or_else(|| format!("`{text}` is more bytes than 64 bits hold"))
    }
}

fn shift(text: &str, number: &str, unit: &str) -> Result<u32, String> {
    if unit.is_empty() {
        return Err(format!("`{text}` has no unit; write {number}M for MiB or {number}G for GiB"));
    }
    if unit == "B" {
        return Ok(0);
    }
    let (letter, rest) = unit.split_at(unit.chars().next().map_or(0, char::len_utf8));
    let row = UNITS.iter().find(|(name, _)| letter == name.to_string());
    match (row, rest) {
        (Some((_, shift)), "" | "iB") => Ok(*shift),
        (Some((name, _)), "B") => Err(format!(
            "`{text}` is 10ⁿ or 2ⁿ, depending on whom you ask; write {number}{name} or {number}{name}iB for units of 1024"
        )),
        _ => Err(shape(text)),
    }
}

fn shape(text: &str) -> String {
    format!("`{}` is not a size; write a whole number and a unit, like 8G, 8GiB or 512M", text.escape_debug())
}

is_text!(Size);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift);
        match unit {
            Some((name, shift)) => write!(f, "{}{name}", self.0 >> shift),
            None => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod test {
    use super::Size;

    #[test]
    fn units_are_of_1024() {
        assert_eq!("8G".parse(), Ok(Size::from_bytes(8 << 30)));
        assert_eq!("8GiB".parse(), Ok(Size::from_bytes(8 << 30)));
        assert_eq!("8192M".parse::<Size>().unwrap().to_string(), "8G");
    }

    #[test]
    fn what_could_be_misread_is_refused_with_the_way_out() {
        assert!("8192".parse::<Size>().unwrap_err().contains("8192M"));
        assert!("8GB".parse::<Size>().unwrap_err().contains("8GiB"));
        for text in ["", "G", "8X", "-8G", "8.5G", "99999999999P", "8é"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(bytes: u64) {
            proptest::prop_assert_eq!(Size::from_bytes(bytes).to_string().parse(), Ok(Size::from_bytes(bytes)));
        }
    }
}
