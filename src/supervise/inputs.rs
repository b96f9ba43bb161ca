//! What people want: signals and the control socket, as events for the table.

use super::control::Control;
use super::signal::{Signal, Signals};
use super::{Action, Event, Notice, State, Tell};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
use std::future::Future;
use std::pin::pin;

/// Everything through which somebody can say something to a running vmrun.
pub(super) struct Inputs<'a> {
    signals: Signals,
    control: Control,
    stop_on_hangup: bool,
    interrupted: bool,
    tell: Tell<'a>,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(signals: Signals, control: Control, stop_on_hangup: bool, tell: Tell<'a>) -> Self {
        Self { signals, control, stop_on_hangup, interrupted: false, tell }
    }

    /// The signal to raise again when all is done: only SIGINT, whose sender waits to see it.
    pub(super) fn raise(&self) -> Option<i32> {
        self.interrupted.then_some(SIGINT)
    }

    /// What clients of the control socket get to know.
    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// The next thing that somebody wants. Cancel-safe.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                signal = self.signals.next() => if let Some(event) = self.heard(&signal) { return event },
                force = self.control.next_stop() => return if force { Event::Force } else { Event::Stop },
            }
        }
    }

    fn heard(&mut self, signal: &Signal) -> Option<Event> {
        tracing::info!(signal = signal.name(), sender = signal.sender, "signal");
        match signal.number {
            SIGINT => {
                self.interrupted = true;
                Some(Event::Interrupt)
            }
            SIGTERM => Some(Event::Stop),
            SIGQUIT => Some(Event::Leave),
            _ if self.stop_on_hangup => Some(Event::Stop),
            _ => {
                (self.tell)(&Notice::Note("the terminal is gone; the guest runs on, and vmrun with it".into()));
                None
            }
        }
    }

    /// Does `work` while people are listened to; ends early when the table answers one of them with an action.
    pub(super) async fn meanwhile<T>(&mut self, state: &mut State, work: impl Future<Output = T>) -> Result<T, Action> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                event = self.next() => {
                    let (next, action) = state.on(event);
                    *state = next;
                    if let Some(action) = action {
                        return Err(action);
                    }
                }
            }
        }
    }
}
