//! A command that vmrun runs for the user.

use crate::unit::Period;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A program with its arguments, and as whom and for how long it runs. Never a shell line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; at least the program.
    pub argv: Vec<String>,
    /// Login name of the user it runs as; `None` for the user that vmrun runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Variables beside those that every command gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// How long it may take; `None` for a command that runs as long as the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
}
