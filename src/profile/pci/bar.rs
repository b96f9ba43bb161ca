//! The number of a base address register.

use schemars::JsonSchema;
use serde::Deserialize;

/// Number of a base address register, 0 to 5. A key of a TOML table, and so a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-5]$"))]
pub(super) struct Bar(u8);

impl Bar {
    pub(super) fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<String> for Bar {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse() {
            Ok(number @ 0..=5) => Ok(Self(number)),
            _ => Err(format!("`{text}` is no BAR; they are numbered 0 to 5")),
        }
    }
}
