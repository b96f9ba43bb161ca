//! `pci.rom`: which option ROM the guest sees.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `"auto"`, `"off"`, or a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(with = "String", extend("examples" = ["auto", "off", "card.rom"]))]
pub(super) enum Rom {
    /// The function's own.
    #[default]
    Auto,
    /// None.
    Off,
    /// What a file holds.
    File(PathBuf),
}

impl Rom {
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Auto | Self::Off => None,
        }
    }
}

impl From<String> for Rom {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" => Self::Auto,
            "off" => Self::Off,
            file => Self::File(file.into()),
        }
    }
}
