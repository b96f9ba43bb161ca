//! A USB socket of the host.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A socket by its bus and the ports that lead to it, as the kernel names it: `1-4.2`.
///
/// Unlike a device's address, it is the same after the device was plugged in again. Linux:
/// `Documentation/ABI/testing/sysfs-bus-usb`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6}$", "examples" = ["1-4.2"]))]
pub struct UsbPort {
    bus: u8,
    ports: String,
}

/// Ports on the way to a device: the root hub's and those of five hubs behind it, USB 3.2 section 4.1.1; the kernel
/// and QEMU allow one more.
const DEPTH: usize = 7;

impl UsbPort {
    /// Number of the bus.
    #[must_use]
    pub fn bus(&self) -> u8 {
        self.bus
    }

    /// The ports from the root hub on: `4.2`.
    #[must_use]
    pub fn ports(&self) -> &str {
        &self.ports
    }
}

impl FromStr for UsbPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<u8>().ok().filter(|number| *number > 0)).flatten()
        };
        let parse = || {
            let (bus, ports) = text.split_once('-')?;
            let depth = ports.split('.').count();
            (depth <= DEPTH && ports.split('.').all(|port| number(port).is_some())).then_some(())?;
            Some(Self { bus: number(bus)?, ports: ports.to_owned() })
        };
        parse().ok_or_else(|| {
            format!(
                "`{}` is not a USB port; write bus-port.port as /sys/bus/usb/devices names it, like 1-4.2",
                text.escape_debug()
            )
        })
    }
}

is_text!(UsbPort);

impl fmt::Display for UsbPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.bus, self.ports)
    }
}

#[cfg(test)]
mod test {
    use super::UsbPort;

    #[test]
    fn a_port_is_read_as_the_kernel_writes_it() {
        let port: UsbPort = "3-4.2".parse().unwrap();
        assert_eq!((port.bus(), port.ports(), port.to_string().as_str()), (3, "4.2", "3-4.2"));
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in ["", "1", "1-", "-1", "1-0", "0-1", "1-4.", "1-4.2:1.0", "usb1", "1-1.1.1.1.1.1.1.1", "1-256"] {
            assert!(text.parse::<UsbPort>().is_err(), "{text}");
        }
    }
}
