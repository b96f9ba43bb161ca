//! How a guest is ended.

use crate::unit::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when the guest, or the user, wants an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// How long the guest may take after its power button was pressed.
    pub timeout: Period,
    /// What happens to a guest that takes longer.
    pub on_timeout: OnTimeout,
    /// What a reboot of the guest does.
    pub on_reboot: OnReboot,
    /// What a panic of the guest does.
    pub on_panic: OnPanic,
    /// Whether a closed terminal (SIGHUP) stops the guest.
    pub stop_on_hangup: bool,
}

/// What happens to a guest that does not power off in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// It is left alone, and the user is told how to force it: a guest forced off loses unsaved work, and a card in it
    /// may not reset.
    #[default]
    Wait,
    /// It is forced off.
    Kill,
}

/// What a reboot asked by the guest does; QEMU: `-action reboot=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnReboot {
    /// The guest starts again in the same QEMU.
    #[default]
    Reset,
    /// QEMU is ended and started anew, without hooks: for a card that does not survive a reset while it is warm.
    Restart,
    /// The run ends.
    Exit,
}

/// What a panic reported by the guest does; QEMU: `-action panic=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnPanic {
    /// The run ends.
    #[default]
    Exit,
    /// The guest is kept, paused, to be looked at.
    Pause,
}

/// What a sleep of the host does to the guest; logind announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnHostSleep {
    /// logind refuses to let the host sleep while the guest runs: a card that is the guest's does not survive it.
    Block,
    /// The guest is paused before, and goes on afterwards.
    Pause,
    /// The agent in the guest suspends it to memory before, and it is woken afterwards. When it does not in time, it is
    /// paused.
    Suspend,
    /// Nothing.
    Ignore,
}

/// What a shutdown of the host does to the guest; logind announces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnHostShutdown {
    /// Its power button is pressed, and the shutdown waits for as long as logind lets it, `InhibitDelayMaxSec=`.
    #[default]
    Stop,
    /// logind refuses to shut down while the guest runs.
    Block,
    /// Nothing, until vmrun itself is ended.
    Ignore,
}

impl OnHostShutdown {
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
