//! As whom QEMU runs.

use serde::{Deserialize, Serialize};

/// Folder of QEMU's sockets within that of the run, when QEMU runs as another user than vmrun.
pub const SOCKETS: &str = "qemu";

/// The ordinary user that QEMU becomes before it is executed, when all it needs root for is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAs {
    /// Login name.
    pub user: String,
    /// User id.
    pub uid: u32,
    /// Name of its group; `None` for the one that the account has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Further group ids: those by which it may open what it has to open, and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
}
