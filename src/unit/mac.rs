//! Hardware address of a guest network interface.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A unicast MAC address: `52:54:00:00:00:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$", "examples" = ["52:54:00:00:00:01"]))]
pub struct Mac([u8; 6]);

impl Mac {
    /// An address in QEMU's own range `52:54:00` that depends only on `seed`, so it stays the same from run to run.
    #[must_use]
    pub fn derived(seed: &str) -> Self {
        let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, seed.as_bytes());
        let bytes = hash.as_bytes();
        Self([0x52, 0x54, 0x00, bytes[0], bytes[1], bytes[2]])
    }
}

impl Mac {
    /// The address of the bridge `name` that vmrun makes. It tells it from one that somebody else made, and does not change
    /// with the bridge's ports.
    #[must_use]
    pub fn of_bridge(name: &str) -> Self {
        Self::derived(&format!("bridge {name}"))
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            *byte = parts
                .next()
                .filter(|part| part.len() == 2 && !part.starts_with('+'))
                .and_then(|part| u8::from_str_radix(part, 16).ok())
                .ok_or_else(|| refusal(text))?;
        }
        if parts.next().is_some() {
            return Err(refusal(text));
        }
        if bytes[0] & 1 == 1 {
            return Err(format!("`{text}` is a multicast address; the first byte of an interface's own is even"));
        }
        Ok(Self(bytes))
    }
}

fn refusal(text: &str) -> String {
    format!("`{text}` is not a MAC address; write six bytes in hexadecimal, like 52:54:00:00:00:01")
}

is_text!(Mac);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.map(|byte| format!("{byte:02x}"));
        f.write_str(&bytes.join(":"))
    }
}

#[cfg(test)]
mod test {
    use super::Mac;

    #[test]
    fn the_seeds_address_is_read() {
        assert_eq!("52:54:00:00:00:01".parse::<Mac>().unwrap().to_string(), "52:54:00:00:00:01");
    }

    #[test]
    fn multicast_and_malformed_addresses_are_refused() {
        for text in
            ["53:54:00:00:00:01", "52:54:00:00:00", "52:54:00:00:00:01:02", "5254.0000.0001", "+2:54:00:00:00:01"]
        {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_derived_address_is_stable_and_local_to_its_seed() {
        assert_eq!(Mac::derived("Windows/net0"), Mac::derived("Windows/net0"));
        assert_ne!(Mac::derived("Windows/net0"), Mac::derived("Windows/net1"));
    }
}
