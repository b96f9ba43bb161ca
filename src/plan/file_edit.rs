//! A file of the host as it was, and as it shall be.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The whole content of a file before and after; its inverse is an edit too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEdit {
    /// Absolute path.
    pub path: PathBuf,
    /// Content before; `None` when there was no file.
    pub from: Option<String>,
    /// Content after; `None` when there shall be none.
    pub to: Option<String>,
    /// Whether a file that is new can be executed. One that was there keeps its mode.
    #[serde(default)]
    pub executable: bool,
}

impl FileEdit {
    /// The edit that takes this one back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self { from: self.to, to: self.from, ..self }
    }
}
