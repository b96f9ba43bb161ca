//! Address of a PCI function on the host.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Domain, bus, device and function of a host PCI function, as sysfs names it: `0000:04:00.0`.
///
/// The domain may be left out when written (`04:00.0`), as `lspci` does; it is always printed.
/// Source: Linux `Documentation/PCI/sysfs-pci.rst`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^([0-9A-Fa-f]{1,8}:)?[0-9A-Fa-f]{1,2}:[01]?[0-9A-Fa-f]\.[0-7]$", "examples" = ["0000:04:00.0"]))]
pub struct Bdf {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl Bdf {
    /// The bus number.
    #[must_use]
    pub fn bus(self) -> u8 {
        self.bus
    }

    /// The device number, 0 to 0x1f.
    #[must_use]
    pub fn device(self) -> u8 {
        self.device
    }

    /// The function number, 0 to 7.
    #[must_use]
    pub fn function(self) -> u8 {
        self.function
    }

    /// The same device's function `function`; `None` when it is over 7.
    #[must_use]
    pub fn sibling(self, function: u8) -> Option<Self> {
        (function < 8).then_some(Self { function, ..self })
    }

    /// The function whose routing id is `distance` after this one's, as virtual functions are counted from the one that
    /// makes them; `None` past the domain's last bus. Source: PCI Express Base Specification, 9.2.1.2.
    #[must_use]
    pub fn after(self, distance: u32) -> Option<Self> {
        let own = u32::from(self.bus) << 8 | u32::from(self.device) << 3 | u32::from(self.function);
        let [0, 0, bus, low] = own.checked_add(distance)?.to_be_bytes() else { return None };
        Some(Self { domain: self.domain, bus, device: low >> 3, function: low & 7 })
    }

    /// Whether both functions are on one bus of one domain: behind one port, unless it is a root bus.
    #[must_use]
    pub fn same_bus(self, other: Self) -> bool {
        (self.domain, self.bus) == (other.domain, other.bus)
    }

    /// Whether both functions belong to one device (same domain, bus and device number).
    #[must_use]
    pub fn same_device(self, other: Self) -> bool {
        (self.domain, self.bus, self.device) == (other.domain, other.bus, other.device)
    }
}

impl FromStr for Bdf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| {
            format!("`{text}` is not a PCI address; write domain:bus:device.function in hexadecimal, like 0000:04:00.0")
        })
    }
}

fn parse(text: &str) -> Option<Bdf> {
    let (path, function) = text.split_once('.')?;
    let mut parts = path.rsplit(':');
    let device = hex(parts.next()?, 2)?;
    let bus = hex(parts.next()?, 2)?;
    let domain = parts.next().map_or(Some(0), |part| hex(part, 8))?;
    let function = hex(function, 1)?;
    if parts.next().is_some() || device > 0x1f || function > 7 {
        return None;
    }
    Some(Bdf {
        domain,
        bus: u8::try_from(bus).ok()?,
        device: u8::try_from(device).ok()?,
        function: u8::try_from(function).ok()?,
    })
}

fn hex(text: &str, most: usize) -> Option<u32> {
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

is_text!(Bdf);

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

#[cfg(test)]
mod test {
    use super::Bdf;

    #[test]
    fn the_domain_may_be_left_out_and_is_always_printed() {
        let bdf: Bdf = "04:00.1".parse().unwrap();
        assert_eq!(bdf.to_string(), "0000:04:00.1");
        assert_eq!("0000:04:00.1".parse(), Ok(bdf));
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in ["", "04:00", "4", "04:20.0", "04:00.8", "+4:00.0", "x:04:00.0", "0:0:04:00.0"] {
            let refusal = text.parse::<Bdf>().unwrap_err();
            assert!(refusal.contains("0000:04:00.0"), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_function_further_on_may_be_on_the_next_bus_and_not_past_the_last() {
        let after = |text: &str, distance| text.parse::<Bdf>().unwrap().after(distance).map(|bdf| bdf.to_string());
        assert_eq!(after("0000:01:00.0", 0x80 + 2 * 2).as_deref(), Some("0000:01:10.4"));
        assert_eq!(after("0001:01:1f.7", 1).as_deref(), Some("0001:02:00.0"));
        assert_eq!(after("0000:ff:1f.7", 1), None);
    }

    proptest::proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(domain in 0u32..0x10000, bus: u8, device in 0u8..32, function in 0u8..8) {
            let bdf = Bdf { domain, bus, device, function };
            proptest::prop_assert_eq!(bdf.to_string().parse(), Ok(bdf));
        }
    }
}
