//! A user's command at a named point of the guest's life.

use super::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A command that runs at a point of the guest's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Key path in the profile, like `hook[0]`.
    pub key: String,
    /// Name for messages; by default the program's file name.
    pub name: String,
    /// When it runs.
    pub at: Point,
    /// What it runs.
    pub run: Command,
    /// What takes it back after the guest ended, or when a later step of the start fails.
    pub undo: Option<Command>,
    /// What a failure does.
    pub on_error: OnError,
}

/// A point of the guest's life, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Point {
    /// Before anything on the host is changed.
    Pre,
    /// After the host is prepared, before QEMU is started.
    Prepared,
    /// QEMU is there and pinned, the guest has not run an instruction.
    Started,
    /// The guest runs.
    Running,
    /// The guest rebooted.
    Reset,
    /// vmrun is with the guest again, after the vmrun that started it was killed.
    Reconnect,
    /// vmrun was asked to stop the guest, which still runs.
    Stopping,
    /// QEMU is gone, the host is not yet put back.
    Stopped,
    /// The host is put back. Runs also after a failed start.
    Post,
}

impl Point {
    /// Whether a failing hook at this point prevents the start.
    #[must_use]
    pub fn can_veto(self) -> bool {
        matches!(self, Self::Pre | Self::Prepared | Self::Started)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pre => "pre",
            Self::Prepared => "prepared",
            Self::Started => "started",
            Self::Running => "running",
            Self::Reset => "reset",
            Self::Reconnect => "reconnect",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Post => "post",
        })
    }
}

/// What the failure of a hook does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// At a point that can veto, the start is taken back; later, the exit code says so.
    #[default]
    Abort,
    /// A warning, nothing else.
    Warn,
}
