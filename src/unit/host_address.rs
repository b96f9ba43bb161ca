//! An address that the host has on an interface, with the network that it is in.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address with its prefix, as `ip address add` takes it: `192.168.90.1/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$", "examples" = ["192.168.90.1/24"]))]
pub struct HostAddress {
    address: IpAddr,
    prefix: u8,
}

impl FromStr for HostAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |(address, prefix): (&str, &str)| {
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.parse().ok().filter(|prefix| (1..=most).contains(prefix))?;
            (!address.is_unspecified() && !address.is_multicast()).then_some(Self { address, prefix })
        };
        text.split_once('/').and_then(read).ok_or_else(|| {
            let text = text.escape_debug();
            format!("`{text}` is no address of a host in its network; write one like 192.168.90.1/24")
        })
    }
}

is_text!(HostAddress);

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod test {
    use super::HostAddress;

    #[test]
    fn an_address_has_a_prefix_that_fits_it() {
        for good in ["192.168.90.1/24", "10.0.0.1/32", "fd00::1/64"] {
            assert_eq!(good.parse::<HostAddress>().unwrap().to_string(), good);
        }
        for bad in [
            "192.168.90.1",
            "192.168.90.1/33",
            "192.168.90.1/0",
            "fd00::1/129",
            "0.0.0.0/8",
            "224.0.0.1/4",
            "br0/24",
            "",
        ] {
            assert!(bad.parse::<HostAddress>().is_err(), "{bad}");
        }
    }
}
