//! Keys that stop a guest which nobody can reach.

use crate::unit::Key;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A chord on a keyboard of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicKey {
    /// The keyboard's node below `/dev/input`.
    pub device: PathBuf,
    /// Held down together, they are the chord.
    pub keys: Vec<Key>,
}
