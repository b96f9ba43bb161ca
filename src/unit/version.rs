//! A version of QEMU.

use super::text::is_text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Major, minor and micro version of QEMU: `10.0.2`. A missing micro number is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    major: u16,
    minor: u16,
    micro: u16,
}

impl Version {
    /// Version `major`.`minor`.0.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor, micro: 0 }
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.').map(str::parse::<u16>);
        let mut next = || parts.next().transpose().ok().flatten();
        next()
            .zip(next())
            .map(|(major, minor)| Self { major, minor, micro: next().unwrap_or(0) })
            .ok_or_else(|| format!("`{text}` is not a version; write it like 10.0.2"))
    }
}

is_text!(Version);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

#[cfg(test)]
mod test {
    use super::Version;

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        assert!("10.0.2".parse::<Version>().unwrap() > "7.2.22".parse().unwrap());
        assert_eq!("9.1".parse(), Ok(Version::new(9, 1)));
        assert!("ten".parse::<Version>().is_err());
    }
}
