//! Values of `[smbios]` that are checked as they are read.

use schemars::JsonSchema;
use serde::Deserialize;

/// Text for an SMBIOS string: 1 to 255 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[ -~]{1,255}$"))]
pub(super) struct Text(pub(super) String);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        match text.len() {
            1..=255 if printable => Ok(Self(text)),
            n => {
                Err(format!("`{}` is {n} bytes; SMBIOS holds 1 to 255 printable ASCII characters", text.escape_debug()))
            }
        }
    }
}

/// A number as text, which QEMU reads as C does: `3600`, `0x800f8200f8bfbff`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^([0-9]{1,19}|0[xX][0-9a-fA-F]{1,16})$"))]
pub(super) struct Number(pub(super) String);

impl TryFrom<String> for Number {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let what = || format!("`{}` is no number; write it like 3600 or 0xf8bfbff", text.escape_debug());
        read(&text).ok_or_else(what).map(|_| Self(text.clone()))
    }
}

/// A clock in MHz, or a speed in MT/s, as text; SMBIOS has 16 bits for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^([0-9]{1,5}|0[xX][0-9a-fA-F]{1,4})$", "examples" = ["3600"]))]
pub(super) struct Speed(pub(super) String);

impl TryFrom<String> for Speed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = read(&text).is_some_and(|speed| speed <= u16::MAX.into());
        let what = || format!("`{}` is no speed; write a number up to 65535, like 3600", text.escape_debug());
        if fits { Ok(Self(text)) } else { Err(what()) }
    }
}

/// A release of firmware: two numbers, each up to 255.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9]{1,3}\.[0-9]{1,3}$", "examples" = ["5.17"]))]
pub(super) struct Release(pub(super) String);

impl TryFrom<String> for Release {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u8>().is_ok();
        if text.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor)) {
            return Ok(Self(text));
        }
        Err(format!("`{}` is no release; write two numbers up to 255, like 5.17", text.escape_debug()))
    }
}

/// The number that QEMU reads `text` as.
fn read(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => u64::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod test {
    use super::{Release, Speed};

    #[test]
    fn a_release_is_two_numbers_of_a_byte_each() {
        let is_release = |text: &str| Release::try_from(text.to_owned()).is_ok();
        assert!(["5.17", "0.0", "255.255"].into_iter().all(is_release));
        assert!(!["5", "5.", ".5", "300.400", "5.17.1", "+5.1", "5,1", ""].into_iter().any(is_release));
    }

    #[test]
    fn a_speed_has_16_bits() {
        let is_speed = |text: &str| Speed::try_from(text.to_owned()).is_ok();
        assert!(["3600", "65535", "0xffff"].into_iter().all(is_speed));
        assert!(!["99999", "65536", "0x10000", "3.6", ""].into_iter().any(is_speed));
    }
}
