//! What is made on disk before QEMU starts, and kept.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A file or folder of the guest's own that is made when there is none yet, and kept from run to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NewFile {
    /// A copy of a template: its variable store.
    Copy {
        /// Where.
        path: PathBuf,
        /// The template.
        copy_of: PathBuf,
    },
    /// An empty folder that only its owner can enter: the state of its TPM.
    Folder {
        /// Where.
        folder: PathBuf,
        /// Id of the user whose it is, with what is in it; `None` for the one that vmrun runs as. The folder above it lets
        /// that user pass.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u32>,
    },
}
