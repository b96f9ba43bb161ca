//! The life of a guest as a table: `(State, Event) -> (State, Action)`. No input, no output, no clock.
//!
//! ```text
//! Preparing ──HostReady──▶ Booting ──GuestRuns──▶ Running ──Stop──▶ Stopping(rung)
//!     │                       │ QemuGone              │ QemuGone        │ QemuGone
//!     └──Failed, Stop──▶ Undoing ◀────────────────────┴─────────────────┘ ──HostRestored──▶ Done
//! ```

use super::Rung;
use crate::plan::Ending;
use serde::Serialize;
use std::time::Duration;

/// Where a guest is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The host is being prepared; there is no QEMU.
    Preparing,
    /// QEMU is being started, or is there with its threads being placed; the guest has not run an instruction.
    Booting,
    /// The guest runs.
    Running,
    /// The guest, then QEMU, is being ended.
    Stopping(Rung),
    /// QEMU is gone; the host is being put back.
    Undoing,
    /// Nothing is left to do.
    Done,
}

/// What happens to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The host is as planned.
    HostReady,
    /// Every thread is placed and the guest executes.
    GuestRuns,
    /// Somebody wants an orderly end.
    Stop,
    /// The user pressed Ctrl-C.
    Interrupt,
    /// Somebody wants an end now, whatever is lost.
    Force,
    /// A step of the start failed, or a required companion is lost.
    Failed,
    /// The QEMU process has ended.
    QemuGone,
    /// The time of the state has run out. `force` is the user's policy for a guest that does not power off.
    Deadline {
        /// Whether it is forced off.
        force: bool,
    },
    /// Everything that can be put back is.
    HostRestored,
    /// vmrun shall leave at once and touch nothing (SIGQUIT).
    Leave,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start QEMU, place its threads, let the guest run.
    Boot,
    /// Run what belongs to a running guest.
    Announce,
    /// Give up what is being prepared.
    Cancel,
    /// Press the guest's power button.
    PowerDown,
    /// Say that one more Ctrl-C loses data.
    Warn,
    /// Say that the guest takes its time and how to force it.
    SayOverdue,
    /// Tell QEMU to quit.
    Quit,
    /// Send QEMU SIGTERM.
    Terminate,
    /// Send QEMU SIGKILL.
    Kill,
    /// Say that QEMU cannot be killed.
    SayStuck,
    /// Put the host back.
    Undo,
    /// Leave at once.
    Leave,
}

impl State {
    /// The next state and what is to be done.
    #[must_use]
    pub fn on(self, event: Event) -> (Self, Option<Action>) {
        match (self, event) {
            (Self::Done, _) => (self, None),
            (_, Event::Leave) => (Self::Done, Some(Action::Leave)),
            (Self::Preparing, event) => Self::preparing(event),
            (Self::Booting, event) => Self::booting(event),
            (Self::Running, event) => Self::running(event),
            (Self::Stopping(rung), event) => rung.on(event),
            (Self::Undoing, Event::HostRestored) => (Self::Done, None),
            (Self::Undoing, _) => (self, None),
        }
    }

    fn preparing(event: Event) -> (Self, Option<Action>) {
        match event {
            Event::HostReady => (Self::Booting, Some(Action::Boot)),
            Event::Failed => (Self::Undoing, Some(Action::Undo)),
            Event::Stop | Event::Interrupt | Event::Force => (Self::Undoing, Some(Action::Cancel)),
            Event::GuestRuns | Event::QemuGone | Event::Deadline { .. } | Event::HostRestored | Event::Leave => {
                (Self::Preparing, None)
            }
        }
    }

    fn booting(event: Event) -> (Self, Option<Action>) {
        match event {
            Event::GuestRuns => (Self::Running, Some(Action::Announce)),
            Event::QemuGone => (Self::Undoing, Some(Action::Undo)),
            // The guest has not run an instruction, so nothing of it can be lost.
            Event::Failed | Event::Stop | Event::Interrupt | Event::Force => {
                (Self::Stopping(Rung::Quitting), Some(Action::Quit))
            }
            Event::HostReady | Event::Deadline { .. } | Event::HostRestored | Event::Leave => (Self::Booting, None),
        }
    }

    fn running(event: Event) -> (Self, Option<Action>) {
        match event {
            Event::Stop | Event::Interrupt | Event::Failed => (Self::Stopping(Rung::Asked), Some(Action::PowerDown)),
            Event::Force => (Self::Stopping(Rung::Quitting), Some(Action::Quit)),
            Event::QemuGone => (Self::Undoing, Some(Action::Undo)),
            Event::HostReady | Event::GuestRuns | Event::Deadline { .. } | Event::HostRestored | Event::Leave => {
                (Self::Running, None)
            }
        }
    }

    /// How long the state may last before [`Event::Deadline`]; `None` for as long as it takes.
    #[must_use]
    pub fn limit(self, ending: &Ending) -> Option<Duration> {
        let Self::Stopping(rung) = self else { return None };
        rung.limit(ending)
    }
}

#[cfg(test)]
mod test {
    use super::{Action, Event, Rung, State};

    const RUNGS: [Rung; 8] = [
        Rung::Asked,
        Rung::AskedAgain,
        Rung::Overdue,
        Rung::Warned,
        Rung::Quitting,
        Rung::Terminating,
        Rung::Killing,
        Rung::Stuck,
    ];
    const EVENTS: [Event; 11] = [
        Event::HostReady,
        Event::GuestRuns,
        Event::Stop,
        Event::Interrupt,
        Event::Force,
        Event::Failed,
        Event::QemuGone,
        Event::Deadline { force: false },
        Event::Deadline { force: true },
        Event::HostRestored,
        Event::Leave,
    ];

    fn states() -> Vec<State> {
        let plain = [State::Preparing, State::Booting, State::Running, State::Undoing, State::Done];
        plain.into_iter().chain(RUNGS.map(State::Stopping)).collect()
    }

    fn walk(start: State, events: &[Event]) -> (State, Vec<Action>) {
        events.iter().fold((start, Vec::new()), |(state, mut actions), event| {
            let (next, action) = state.on(*event);
            actions.extend(action);
            (next, actions)
        })
    }

    #[test]
    fn the_end_of_qemu_leads_to_undo_from_every_state_in_which_it_lives() {
        for state in states().into_iter().filter(|s| matches!(s, State::Booting | State::Running | State::Stopping(_)))
        {
            assert_eq!(state.on(Event::QemuGone), (State::Undoing, Some(Action::Undo)), "{state:?}");
        }
    }

    #[test]
    fn nothing_leaves_done_and_only_a_restored_host_leads_there_from_undoing() {
        for event in EVENTS {
            assert_eq!(State::Done.on(event), (State::Done, None), "{event:?}");
            let (next, action) = State::Undoing.on(event);
            let expected = match event {
                Event::HostRestored => (State::Done, None),
                Event::Leave => (State::Done, Some(Action::Leave)),
                _ => (State::Undoing, None),
            };
            assert_eq!((next, action), expected, "{event:?}");
        }
    }

    #[test]
    fn a_guest_that_runs_is_never_quit_or_killed_by_one_event_but_force() {
        for event in EVENTS {
            let (_, action) = State::Running.on(event);
            let harsh = matches!(action, Some(Action::Quit | Action::Terminate | Action::Kill));
            assert_eq!(harsh, event == Event::Force, "{event:?}");
        }
    }

    #[test]
    fn the_host_is_put_back_exactly_once() {
        for state in states() {
            for event in EVENTS {
                let (next, action) = state.on(event);
                let undoes = matches!(action, Some(Action::Undo | Action::Cancel));
                assert_eq!(undoes, next == State::Undoing && state != State::Undoing, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn three_interrupts_force_a_guest_off_and_the_second_warns() {
        let (state, actions) = walk(State::Running, &[Event::Interrupt; 3]);
        assert_eq!(state, State::Stopping(Rung::Quitting));
        assert_eq!(actions, [Action::PowerDown, Action::Warn, Action::Quit]);
    }

    #[test]
    fn a_guest_that_ignores_its_power_button_is_kept_unless_the_profile_says_otherwise() {
        let (state, actions) =
            walk(State::Running, &[Event::Stop, Event::Deadline { force: false }, Event::Deadline { force: false }]);
        assert_eq!(state, State::Stopping(Rung::Overdue));
        assert_eq!(actions, [Action::PowerDown, Action::PowerDown, Action::SayOverdue]);
        let (state, _) =
            walk(State::Running, &[Event::Stop, Event::Deadline { force: true }, Event::Deadline { force: true }]);
        assert_eq!(state, State::Stopping(Rung::Quitting));
    }

    #[test]
    fn a_guest_that_declined_is_asked_again_when_somebody_asks_again() {
        let overdue = State::Stopping(Rung::Overdue);
        let (state, actions) = walk(overdue, &[Event::Stop, Event::Stop, Event::Deadline { force: false }]);
        assert_eq!((state, actions), (overdue, vec![Action::PowerDown, Action::SayOverdue]));
        let (state, actions) = walk(overdue, &[Event::Interrupt, Event::Deadline { force: false }]);
        assert_eq!((state, actions), (State::Stopping(Rung::AskedAgain), vec![Action::Warn, Action::PowerDown]));
    }

    #[test]
    fn a_qemu_that_does_not_quit_is_terminated_then_killed_then_reported() {
        let (state, actions) = walk(
            State::Running,
            &[
                Event::Force,
                Event::Deadline { force: true },
                Event::Deadline { force: true },
                Event::Deadline { force: true },
            ],
        );
        assert_eq!(state, State::Stopping(Rung::Stuck));
        assert_eq!(actions, [Action::Quit, Action::Terminate, Action::Kill, Action::SayStuck]);
    }

    #[test]
    fn a_stop_while_the_host_is_prepared_starts_no_qemu() {
        let (state, actions) = walk(State::Preparing, &[Event::Interrupt, Event::HostReady, Event::HostRestored]);
        assert_eq!((state, actions), (State::Done, vec![Action::Cancel]));
    }

    #[test]
    fn leaving_touches_nothing() {
        for state in states().into_iter().filter(|state| *state != State::Done) {
            assert_eq!(state.on(Event::Leave), (State::Done, Some(Action::Leave)), "{state:?}");
        }
    }
}
