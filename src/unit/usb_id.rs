//! Vendor and product id of a USB device.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Vendor and product id as `lsusb` prints them: `046d:c29b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$", "examples" = ["046d:c29b"]))]
pub struct UsbId {
    vendor: u16,
    product: u16,
}

impl UsbId {
    /// Vendor id.
    #[must_use]
    pub fn vendor(self) -> u16 {
        self.vendor
    }

    /// Product id.
    #[must_use]
    pub fn product(self) -> u16 {
        self.product
    }
}

impl FromStr for UsbId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |part: &str| {
            let shaped = part.len() == 4 && part.bytes().all(|b| b.is_ascii_hexdigit());
            shaped.then(|| u16::from_str_radix(part, 16).ok()).flatten()
        };
        text.split_once(':')
            .and_then(|(vendor, product)| part(vendor).zip(part(product)))
            .map(|(vendor, product)| Self { vendor, product })
            .ok_or_else(|| format!("`{text}` is not a USB id; write vendor:product as lsusb prints it, like 046d:c29b"))
    }
}

is_text!(UsbId);

impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.product)
    }
}

#[cfg(test)]
mod test {
    use super::UsbId;

    #[test]
    fn the_seeds_wheel_is_read() {
        assert_eq!("046d:c29b".parse::<UsbId>().unwrap().to_string(), "046d:c29b");
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in ["046d", "46d:c29b", "046d:c29b:1", "host:046d:c29b", "+46d:c29b"] {
            assert!(text.parse::<UsbId>().is_err(), "{text}");
        }
    }
}
