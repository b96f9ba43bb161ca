//! Where in the guest a PCI device sits.

use super::PciSlot;
use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where in the guest a PCI device sits: `02.3` behind the root port at 02.3 (on machine `pc`, which has no root ports, at
/// 02.3 itself), `02.3/00.1` as function 1 behind that port, `pcie.0/1b.0` on the root bus of a q35 itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("examples" = ["02.3", "02.3/00.1", "pcie.0/1b.0"]))]
pub enum GuestPlace {
    /// Behind the root port at the first address, there at the second.
    Port(PciSlot, PciSlot),
    /// On the root bus.
    Root(PciSlot),
}

/// The root bus of a q35.
const ROOT: &str = "pcie.0/";

impl GuestPlace {
    /// Its address on the root bus, or that of its root port.
    #[must_use]
    pub fn on_root_bus(self) -> PciSlot {
        match self {
            Self::Port(slot, _) | Self::Root(slot) => slot,
        }
    }
}

impl FromStr for GuestPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(slot) = text.strip_prefix(ROOT) {
            return slot.parse().map(Self::Root);
        }
        let (port, slot) = text.split_once('/').unwrap_or((text, "00.0"));
        Ok(Self::Port(port.parse()?, slot.parse()?))
    }
}

is_text!(GuestPlace);

impl fmt::Display for GuestPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(slot) => write!(f, "{ROOT}{slot}"),
            Self::Port(port, slot) if (slot.device(), slot.function()) == (0, 0) => write!(f, "{port}"),
            Self::Port(port, slot) => write!(f, "{port}/{slot}"),
        }
    }
}

#[cfg(test)]
mod test {
    use super::GuestPlace;

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for text in ["02.3", "02.3/00.1", "pcie.0/1b.0"] {
            assert_eq!(text.parse::<GuestPlace>().unwrap().to_string(), text);
        }
        assert_eq!("2/0.0".parse::<GuestPlace>().unwrap().to_string(), "02.0");
        assert!("pci.0/1b.0".parse::<GuestPlace>().is_err());
        assert!("02.3/".parse::<GuestPlace>().is_err());
    }
}
