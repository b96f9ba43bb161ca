//! Input devices of the host that the guest has, plugged in or not.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

/// An input device of the host that is meant for the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvdevWanted {
    /// Key path, like `input[0]`.
    pub at: String,
    /// Id of QEMU's object.
    pub id: String,
    /// Its node, or a link to it.
    pub path: PathBuf,
    /// What QEMU is told of it beside the id.
    pub object: Value,
    /// Whether it was plugged in when this was planned. It is on the command line then.
    pub found: bool,
}

impl EvdevWanted {
    /// The arguments of `object-add` under the id `id`.
    #[must_use]
    pub fn called(&self, id: &str) -> Value {
        let mut object = self.object.clone();
        object["id"] = json!(id);
        object
    }
}
