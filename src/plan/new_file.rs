//! A file that is made before QEMU starts.

use serde::Serialize;
use std::path::PathBuf;

/// A file of the guest's own that is copied from a template when there is none yet, and kept: its variable store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewFile {
    /// Where.
    pub path: PathBuf,
    /// The template.
    pub copy_of: PathBuf,
}
