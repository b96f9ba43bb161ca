//! Which PCI device of the host is meant.

use super::Bdf;
use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A PCI device or function of the host, by one of the names that it has.
///
/// | written | means |
/// | --- | --- |
/// | `04:00.1` | one function, by its address |
/// | `04:00` | all functions of the device at that address |
/// | `00:03.1/00` | all functions of device 00 behind the port at 0000:00:03.1, whatever number its bus has |
/// | `10de:13c2` | all functions of the one device that has a function with these vendor and device ids |
/// | `PCIEX16_1` | all functions of the device in that slot, as `/sys/bus/pci/slots` calls it |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[^\s]+$", "examples" = ["04:00", "04:00.1", "00:03.1/00", "10de:13c2", "PCIEX16_1"]))]
pub enum PciSelector {
    /// One function.
    Function(Bdf),
    /// All functions of the device whose function 0 this is.
    Device(Bdf),
    /// A device behind a port: the port, then device and function of each step down; the last may be without function.
    Path(Bdf, Vec<Step>),
    /// The device that has a function with these ids.
    Ids {
        /// Vendor id.
        vendor: u16,
        /// Device id.
        device: u16,
    },
    /// The device in the physical slot of this name.
    Slot(String),
}

/// A step of a path: device number and, unless all are meant, function number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Device number.
    pub device: u8,
    /// Function number; `None` for all.
    pub function: Option<u8>,
}

impl FromStr for PciSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || {
            format!(
                "`{text}` names no PCI device; write its address (04:00, or 04:00.1 for one function), its place \
                 (00:03.1/00), its ids (10de:13c2) or the name of its slot"
            )
        };
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(shape());
        }
        if let Some((port, rest)) = text.split_once('/') {
            let steps: Option<Vec<Step>> = rest.split('/').map(step).collect();
            let steps = steps.filter(|steps| steps.iter().rev().skip(1).all(|step| step.function.is_some()));
            return port.parse().ok().zip(steps).map(|(port, steps)| Self::Path(port, steps)).ok_or_else(shape);
        }
        if let Some((vendor, device)) = ids(text) {
            return Ok(Self::Ids { vendor, device });
        }
        if let Ok(bdf) = text.parse() {
            return Ok(Self::Function(bdf));
        }
        if let Ok(bdf) = format!("{text}.0").parse() {
            return Ok(Self::Device(bdf));
        }
        // A mistyped address is no slot.
        if text.contains([':', '.']) { Err(shape()) } else { Ok(Self::Slot(text.to_owned())) }
    }
}

/// Four digits, a colon, four digits, as `lspci -n` prints them.
fn ids(text: &str) -> Option<(u16, u16)> {
    let id = |part: &str| {
        let shaped = part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        shaped.then(|| u16::from_str_radix(part, 16).ok()).flatten()
    };
    let (vendor, device) = text.split_once(':')?;
    id(vendor).zip(id(device))
}

fn step(text: &str) -> Option<Step> {
    let (device, function) = match text.split_once('.') {
        Some((device, function)) => (device, Some(function)),
        None => (text, None),
    };
    // The parser of addresses knows how large each number is.
    let bdf: Bdf = format!("00:{device}.{}", function.unwrap_or("0")).parse().ok()?;
    Some(Step { device: bdf.device(), function: function.map(|_| bdf.function()) })
}

is_text!(PciSelector);

impl fmt::Display for PciSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(bdf) => bdf.fmt(f),
            Self::Device(bdf) => f.write_str(bdf.to_string().trim_end_matches(".0")),
            Self::Path(port, steps) => {
                port.fmt(f)?;
                steps.iter().try_for_each(|Step { device, function }| match function {
                    Some(function) => write!(f, "/{device:02x}.{function:x}"),
                    None => write!(f, "/{device:02x}"),
                })
            }
            Self::Ids { vendor, device } => write!(f, "{vendor:04x}:{device:04x}"),
            Self::Slot(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod test {
    use super::{PciSelector, Step};

    fn parse(text: &str) -> PciSelector {
        text.parse().unwrap()
    }

    #[test]
    fn each_name_is_told_from_the_others() {
        let bdf = |text: &str| text.parse().unwrap();
        assert_eq!(parse("04:00.1"), PciSelector::Function(bdf("0000:04:00.1")));
        assert_eq!(parse("04:00"), PciSelector::Device(bdf("0000:04:00.0")));
        assert_eq!(parse("0001:04:00"), PciSelector::Device(bdf("0001:04:00.0")));
        assert_eq!(parse("10de:13c2"), PciSelector::Ids { vendor: 0x10de, device: 0x13c2 });
        assert_eq!(parse("PCIEX16_1"), PciSelector::Slot("PCIEX16_1".into()));
        assert_eq!(parse("3-1"), PciSelector::Slot("3-1".into()));
    }

    #[test]
    fn a_place_behind_ports_needs_no_number_of_a_bus() {
        let steps = vec![Step { device: 0, function: Some(0) }, Step { device: 0x1f, function: None }];
        assert_eq!(parse("00:03.1/00.0/1f"), PciSelector::Path("00:03.1".parse().unwrap(), steps));
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["0000:04:00.1", "0000:04:00", "0000:00:03.1/00", "0000:00:03.1/00.2/1f.7", "10de:13c2", "3-1"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_mistyped_is_refused_with_examples() {
        for text in ["", "04:20", "04:00.8", "10de:13c", "00:03.1/", "00:03.1/00/00", "x/00", "two words", "04:00.0.0"]
        {
            let refusal = text.parse::<PciSelector>().unwrap_err();
            assert!(refusal.contains("10de:13c2"), "{text}: {refusal}");
        }
    }
}
