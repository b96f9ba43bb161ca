//! Name of a guest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Name of a guest: 1 to 48 letters, digits, `-`, `_` or `.`, not starting with `-` or `.`.
///
/// It names folders, sockets and a systemd scope, so it holds nothing that a path or a unit name must escape, and
/// stays short enough for the 107 bytes of a unix socket path (`sockaddr_un`, unix(7)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,47}$", "examples" = ["windows"]))]
pub struct GuestName(String);

impl GuestName {
    /// Most bytes a name may have.
    pub const MAX: usize = 48;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for GuestName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
        match (text.len(), bad) {
            (0, _) => Err("a guest needs a name".into()),
            (_, Some(bad)) => {
                Err(format!("`{}` holds {bad:?}; a name is letters, digits, `-`, `_` and `.`", text.escape_debug()))
            }
            (n, None) if n > Self::MAX => Err(format!("a name of {n} bytes is too long; {} are allowed", Self::MAX)),
            _ if text.starts_with(['-', '.']) => Err(format!("`{text}` starts with {:?}", &text[..1])),
            _ => Ok(Self(text)),
        }
    }
}

impl From<GuestName> for String {
    fn from(name: GuestName) -> Self {
        name.0
    }
}

impl fmt::Display for GuestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod test {
    use super::GuestName;

    #[test]
    fn a_name_that_could_leave_its_folder_is_refused() {
        for text in ["", "..", ".x", "a/b", "a b", "-rf", "a\nb", &"x".repeat(49)] {
            assert!(GuestName::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_seeds_name_is_kept() {
        assert_eq!(GuestName::try_from("Windows".to_owned()).unwrap().as_str(), "Windows");
    }
}
