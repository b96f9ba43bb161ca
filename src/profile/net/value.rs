//! Values of `[[net]]` that are checked as they are read.

use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::net::Ipv4Addr;

/// Name of a network interface of the host: 1 to 15 bytes without blanks, `/` and `:`, and neither `.` nor `..`.
/// Linux: `dev_valid_name`, `net/core/dev.c`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[^\s/:%]{1,15}$", "examples" = ["br0", "enp5s0"]))]
pub(super) struct LinkName(String);

impl LinkName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LinkName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // A `%` would have the kernel choose a number.
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/:%".contains(c);
        match text.len() {
            1..=15 if !text.contains(odd) && text != "." && text != ".." => Ok(Self(text)),
            n => Err(format!(
                "`{}` ({n} bytes) names no network interface; a name is 1 to 15 bytes, without blanks, /, : and %",
                text.escape_debug()
            )),
        }
    }
}

/// Pairs of queues, 1 to 256: the most that the kernel's tap has (`MAX_TAP_QUEUES`, Linux: `include/linux/if_tap.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
#[schemars(with = "u16", extend("minimum" = 1, "maximum" = 256))]
pub(super) struct Queues(pub(super) u16);

impl TryFrom<u16> for Queues {
    type Error = String;

    fn try_from(count: u16) -> Result<Self, String> {
        match count {
            1..=256 => Ok(Self(count)),
            _ => Err(format!("{count} queues; a network interface has 1 to 256")),
        }
    }
}

/// Largest packet in bytes: 68, the least that IPv4 allows (RFC 791), to 65535, the most that virtio can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
#[schemars(with = "u32", extend("minimum" = 68, "maximum" = 65535))]
pub(super) struct Mtu(pub(super) u16);

impl TryFrom<u32> for Mtu {
    type Error = String;

    fn try_from(bytes: u32) -> Result<Self, String> {
        let fits = u16::try_from(bytes).ok().filter(|&bytes| bytes >= 68);
        fits.map(Self).ok_or_else(|| format!("an MTU of {bytes} bytes; it is 68 to 65535, on most networks 1500"))
    }
}

/// Number of a device in the guest's ACPI tables, 1 to 16383; QEMU: `hw/acpi/pci.h`, `ONBOARD_INDEX_MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
#[schemars(with = "u32", extend("minimum" = 1, "maximum" = 16383))]
pub(super) struct AcpiIndex(pub(super) u32);

impl TryFrom<u32> for AcpiIndex {
    type Error = String;

    fn try_from(index: u32) -> Result<Self, String> {
        match index {
            1..=16383 => Ok(Self(index)),
            _ => Err(format!("ACPI index {index}; it is 1 to 16383")),
        }
    }
}

/// An IPv4 network: `10.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9.]+/[0-9]+$", "examples" = ["192.168.76.0/24"]))]
pub(super) struct Subnet {
    address: Ipv4Addr,
    prefix: u32,
}

impl Subnet {
    /// The network that QEMU makes unless told otherwise; QEMU: `net/slirp.c`.
    pub(super) const USUAL: Self = Self { address: Ipv4Addr::new(10, 0, 2, 0), prefix: 24 };

    pub(super) fn holds(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.address) & self.mask()
    }

    /// The address that is the host's own in it. QEMU: `net_slirp_init()`, `net/slirp.c`.
    pub(super) fn host(self) -> Ipv4Addr {
        self.numbered(0x0202)
    }

    /// The first address that a guest is given in it.
    pub(super) fn guest(self) -> Ipv4Addr {
        self.numbered(0x020f)
    }

    fn numbered(self, number: u32) -> Ipv4Addr {
        ((u32::from(self.address) & self.mask()) | (number & !self.mask())).into()
    }

    fn mask(self) -> u32 {
        u32::MAX << (32 - self.prefix)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Host, gateway, name server and guest need an address each.
        let read = |(address, prefix): (&str, &str)| {
            let prefix = prefix.parse().ok().filter(|prefix| (8..=28).contains(prefix))?;
            Some(Self { address: address.parse().ok()?, prefix })
        };
        let subnet = text.split_once('/').and_then(read);
        subnet.ok_or_else(|| {
            format!(
                "`{}` is no network; write an IPv4 address and a prefix of 8 to 28, like 10.0.2.0/24",
                text.escape_debug()
            )
        })
    }
}

#[cfg(test)]
mod test {
    use super::{LinkName, Mtu, Subnet};

    #[test]
    fn a_name_is_what_the_kernel_takes() {
        for name in ["br0", "enp5s0", "lan.10", "vmnet-internal0"] {
            assert!(LinkName::try_from(name.to_owned()).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "eth0:1", "tap%d", "two words", "sixteen-bytes-xx"] {
            assert!(LinkName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_network_holds_its_own_addresses() {
        let net = Subnet::try_from("192.168.76.0/24".to_owned()).unwrap();
        assert!(net.holds("192.168.76.3".parse().unwrap()) && !net.holds("192.168.77.3".parse().unwrap()));
        assert!(Subnet::try_from("192.168.76.0".to_owned()).is_err());
        assert!(Subnet::try_from("192.168.76.0/31".to_owned()).is_err());
    }

    #[test]
    fn an_mtu_below_what_ip_needs_is_refused() {
        assert!(Mtu::try_from(67).is_err() && Mtu::try_from(65536).is_err() && Mtu::try_from(9000).is_ok());
    }
}
