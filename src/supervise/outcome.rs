//! Why a run ended, and what it left.

use crate::apply::Unrestored;
use serde::Serialize;

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// What could not be put back.
    pub unrestored: Vec<Unrestored>,
    /// Names of the hooks after the guest that failed.
    pub failed_hooks: Vec<String>,
    /// The signal that asked for the end, to be raised again for the shell to see; only SIGINT.
    pub raise: Option<i32>,
}

impl Outcome {
    /// A run that could not even begin, because of `what`.
    #[must_use]
    pub fn unable(what: String) -> Self {
        Self::of(Ended::Failed(Failure { stage: Stage::Folder, what, log: Vec::new() }))
    }

    /// Whether nothing came of it: another vmrun, or a folder, was in the way.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(&self.ended, Ended::Failed(Failure { stage: Stage::Busy | Stage::Folder, .. }))
    }

    /// A run that ended like this and left nothing.
    #[must_use]
    pub(super) fn of(ended: Ended) -> Self {
        Self { ended, unrestored: Vec::new(), failed_hooks: Vec::new(), raise: None }
    }
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Ended {
    /// The guest powered itself off, by itself or because it was asked to.
    PoweredOff,
    /// The guest saved itself to its disk.
    Hibernated,
    /// The guest rebooted, and the profile wants an end then.
    Rebooted,
    /// The guest reported a panic.
    Panicked,
    /// The guest was forced off.
    Forced,
    /// The guest was forced off because it showed no sign of life after its start.
    Lifeless,
    /// The start was given up because somebody asked.
    Cancelled,
    /// QEMU ended by itself.
    Died {
        /// How, like `signal 11`.
        how: String,
        /// Its last words.
        log: Vec<String>,
    },
    /// The start failed and was taken back.
    Failed(Failure),
    /// A required companion was lost, so the guest was ended.
    CompanionLost {
        /// What happened to it.
        why: String,
    },
    /// vmrun left the guest running without a supervisor.
    Left {
        /// Process id of QEMU, when it was there.
        qemu: Option<u32>,
    },
}

/// A start that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// What happened, with everything that is known.
    pub what: String,
    /// Last words of what failed.
    pub log: Vec<String>,
}

/// A part of the start; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The guest is in use.
    Busy,
    /// A folder that cannot be trusted or used.
    Folder,
    /// A hook vetoed.
    Hook,
    /// A required companion did not start.
    Companion,
    /// The host did not become as planned.
    Host,
    /// QEMU did not start, or its threads could not be placed.
    Qemu,
}

impl Ended {
    /// The word that hooks get as `VMRUN_REASON`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::PoweredOff => "powered_off",
            Self::Hibernated => "hibernated",
            Self::Rebooted => "rebooted",
            Self::Panicked => "panicked",
            Self::Forced => "forced",
            Self::Lifeless => "lifeless",
            Self::Cancelled => "cancelled",
            Self::Died { .. } => "crashed",
            Self::Failed(_) => "failed",
            Self::CompanionLost { .. } => "companion_lost",
            Self::Left { .. } => "left",
        }
    }

    /// One line for a person, without the guest's name.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::PoweredOff => "the guest powered off".into(),
            Self::Hibernated => "the guest hibernated".into(),
            Self::Rebooted => "the guest rebooted, which ends it here (on.reboot = \"exit\")".into(),
            Self::Panicked => "the guest panicked".into(),
            Self::Forced => "the guest was forced off".into(),
            Self::Lifeless => "the guest showed no sign of life and was forced off (on.dead_boot)".into(),
            Self::Cancelled => "the start was given up".into(),
            Self::Died { how, .. } => format!("QEMU died: {how}"),
            Self::Failed(failure) => failure.what.clone(),
            Self::CompanionLost { why } => format!("{why}, so the guest was ended"),
            Self::Left { qemu: Some(pid) } => format!("the guest runs on without vmrun (pid {pid})"),
            Self::Left { qemu: None } => "left before QEMU was started".into(),
        }
    }
}
