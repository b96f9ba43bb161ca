//! A companion of the guest: it runs while the guest runs.

use super::Command;
use crate::unit::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A companion service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Key path in the profile, like `service[0]`.
    pub key: String,
    /// Name for messages.
    pub name: String,
    /// What is started.
    pub what: What,
    /// When it is started; it is stopped at the mirrored point.
    pub start: Start,
    /// Whether the guest cannot do without it.
    pub required: bool,
}

/// What a service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A systemd unit: started only if inactive, stopped only if vmrun started it.
    Unit {
        /// Name with its suffix.
        unit: String,
        /// Login name of the user whose manager has it; `None` for the system's.
        user: Option<String>,
    },
    /// A command that vmrun watches itself.
    Command {
        /// What is run.
        run: Command,
        /// What happens when it ends before the guest does.
        restart: Restart,
        /// Pause before the first restart; it doubles up to 30 s.
        delay: Period,
        /// Deaths within a minute after which it is given up.
        burst: u32,
        /// When it counts as started.
        ready: Ready,
        /// How long it may take to end after SIGTERM.
        stop_timeout: Period,
    },
}

/// What happens when a service ends before the guest does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// It is started again.
    #[default]
    Always,
    /// It is started again unless it ended with status 0.
    OnFailure,
    /// It stays away.
    No,
}

/// When a command counts as started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// As soon as it was executed.
    #[default]
    Exec,
    /// When it says `READY=1` on the socket in `NOTIFY_SOCKET`; `sd_notify(3)`.
    Notify,
    /// When this file, or socket, is there.
    File(PathBuf),
}

/// When a service is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Before QEMU.
    #[default]
    Before,
    /// When the guest runs.
    After,
}
