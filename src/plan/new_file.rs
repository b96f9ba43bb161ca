//! A file that is made before QEMU starts.

use serde::Serialize;
use std::path::PathBuf;

/// A file to be made whole (temporary file, sync, rename) before QEMU starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewFile {
    /// Where.
    pub path: PathBuf,
    /// What goes in.
    pub source: Source,
    /// Whether it is kept after the guest (NVRAM) or belongs to this run only.
    pub keep: bool,
}

/// Content of a [`NewFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A copy of a file, made only when there is none yet at the destination.
    CopyOf(PathBuf),
    /// The demo guest that vmrun carries.
    DemoGuest,
}
