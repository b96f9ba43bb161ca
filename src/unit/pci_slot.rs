//! Device and function number on one of the guest's PCI buses.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Device and function of a guest PCI address, as QEMU's `addr=` takes it: `09.1` (hexadecimal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^0*[01]?[0-9A-Fa-f](\.0*[0-7])?$", "examples" = ["09.0"]))]
pub struct PciSlot {
    device: u8,
    function: u8,
}

impl PciSlot {
    /// Function `function` of device `device`; `None` past 0x1f or 7.
    #[must_use]
    pub fn new(device: u8, function: u8) -> Option<Self> {
        (device <= 0x1f && function <= 7).then_some(Self { device, function })
    }

    /// Device number, 0 to 0x1f.
    #[must_use]
    pub fn device(self) -> u8 {
        self.device
    }

    /// Function number, 0 to 7.
    #[must_use]
    pub fn function(self) -> u8 {
        self.function
    }
}

impl FromStr for PciSlot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (device, function) = text.split_once('.').unwrap_or((text, "0"));
        let part = |part: &str| u8::from_str_radix(part, 16).ok().filter(|_| !part.starts_with('+'));
        part(device).zip(part(function)).and_then(|(device, function)| Self::new(device, function)).ok_or_else(|| {
            format!("`{text}` is not a guest PCI address; write device.function in hexadecimal, like 09.0")
        })
    }
}

is_text!(PciSlot);

impl fmt::Display for PciSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}.{}", self.device, self.function)
    }
}

#[cfg(test)]
mod test {
    use super::PciSlot;

    #[test]
    fn the_seeds_addresses_are_read() {
        assert_eq!("09.0".parse::<PciSlot>().unwrap().to_string(), "09.0");
        assert_eq!("9.1".parse::<PciSlot>().unwrap().to_string(), "09.1");
        assert_eq!("1f".parse::<PciSlot>().unwrap().to_string(), "1f.0");
    }

    #[test]
    fn numbers_past_the_bus_are_refused() {
        for text in ["20.0", "09.8", "", "x.0", "+9.0"] {
            assert!(text.parse::<PciSlot>().is_err(), "{text}");
        }
    }
}
