//! The rungs of the ladder on which a guest is ended, and which follows which: the part of the table in [`State::on`]
//! that is about an end.

use super::{Action, Event, State};
use crate::plan::Ending;
use serde::Serialize;
use std::time::Duration;

/// How long QEMU may take for each of the rungs from `quit` on.
const RUNG: Duration = Duration::from_secs(5);
/// How long after SIGKILL a thread counts as stuck in the kernel.
const STUCK: Duration = Duration::from_secs(20);

/// A rung of the ladder from a pressed power button to SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// The power button was pressed.
    Asked,
    /// It was pressed a second time; Windows takes the first only to switch its display on.
    AskedAgain,
    /// The guest did not power off in time and nobody decided to force it.
    Overdue,
    /// The user insists; once more forces it.
    Warned,
    /// QEMU was told to quit.
    Quitting,
    /// QEMU got SIGTERM.
    Terminating,
    /// QEMU got SIGKILL.
    Killing,
    /// QEMU does not even end after SIGKILL: a thread is stuck in the kernel.
    Stuck,
}

impl Rung {
    /// The next state and what is to be done.
    pub(super) fn on(self, event: Event) -> (State, Option<Action>) {
        match event {
            Event::QemuGone => (State::Undoing, Some(Action::Undo)),
            Event::Force if self.guest_lives() => (State::Stopping(Self::Quitting), Some(Action::Quit)),
            // It was asked long ago; by now whoever sits there may have saved.
            Event::Stop if self == Self::Overdue => (State::Stopping(Self::AskedAgain), Some(Action::PowerDown)),
            Event::Interrupt => self.insisted(),
            Event::Deadline { force } => self.expired(force),
            Event::HostReady
            | Event::GuestRuns
            | Event::Stop
            | Event::Force
            | Event::Failed
            | Event::HostRestored
            | Event::Leave => (State::Stopping(self), None),
        }
    }

    /// How long the rung may last; `None` for as long as it takes.
    pub(super) fn limit(self, ending: &Ending) -> Option<Duration> {
        match self {
            Self::Asked | Self::AskedAgain => Some(ending.timeout.get() / 2),
            Self::Overdue | Self::Stuck => None,
            Self::Warned | Self::Quitting | Self::Terminating => Some(RUNG),
            Self::Killing => Some(STUCK),
        }
    }

    /// Whether the guest may still save its work.
    fn guest_lives(self) -> bool {
        matches!(self, Self::Asked | Self::AskedAgain | Self::Overdue | Self::Warned)
    }

    fn insisted(self) -> (State, Option<Action>) {
        match self {
            Self::Asked | Self::AskedAgain | Self::Overdue => (State::Stopping(Self::Warned), Some(Action::Warn)),
            Self::Warned => (State::Stopping(Self::Quitting), Some(Action::Quit)),
            Self::Quitting | Self::Terminating | Self::Killing | Self::Stuck => (State::Stopping(self), None),
        }
    }

    fn expired(self, force: bool) -> (State, Option<Action>) {
        let (rung, action) = match self {
            // The user of the second did not insist after the warning: the guest gets its time once more.
            Self::Asked | Self::Warned => (Self::AskedAgain, Some(Action::PowerDown)),
            Self::AskedAgain if force => (Self::Quitting, Some(Action::Quit)),
            Self::AskedAgain => (Self::Overdue, Some(Action::SayOverdue)),
            Self::Quitting => (Self::Terminating, Some(Action::Terminate)),
            Self::Terminating => (Self::Killing, Some(Action::Kill)),
            Self::Killing => (Self::Stuck, Some(Action::SayStuck)),
            Self::Overdue | Self::Stuck => (self, None),
        };
        (State::Stopping(rung), action)
    }
}
