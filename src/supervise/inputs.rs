//! What people want, and what the host is about to do: signals, the control socket and logind, as events for the table.

use super::control::{Control, Wish};
use super::host_power::{Heard, HostPower};
use super::panic_key::{PanicKey, Pressed};
use super::signal::{Signal, Signals};
use super::{Action, Event, Notice, State, Tell};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
use std::future::Future;
use std::pin::pin;

/// Everything through which somebody can say something to a running vmrun.
pub(super) struct Inputs {
    signals: Signals,
    control: Control,
    power: HostPower,
    panic_key: PanicKey,
    stop_on_hangup: bool,
    interrupted: bool,
}

impl Inputs {
    pub(super) fn new(
        (signals, control): (Signals, Control),
        (power, panic_key): (HostPower, PanicKey),
        stop_on_hangup: bool,
    ) -> Self {
        Self { signals, control, power, panic_key, stop_on_hangup, interrupted: false }
    }

    /// The signal to raise again when all is done: only SIGINT, whose sender waits to see it.
    pub(super) fn raise(&self) -> Option<i32> {
        self.interrupted.then_some(SIGINT)
    }

    /// The next thing that somebody wants. Cancel-safe.
    pub(super) async fn next(&mut self, tell: Tell<'_>) -> Event {
        loop {
            tokio::select! {
                signal = self.signals.next() => if let Some(event) = self.heard(&signal, tell) { return event },
                wish = self.control.next() => match wish {
                    Wish::Stop { force: true } => return Event::Force,
                    Wish::Stop { force: false } => return Event::Stop,
                },
                pressed = self.panic_key.next() => match pressed {
                    Pressed::Chord => {
                        tell(&Notice::Note("the panic key is pressed".into()));
                        return Event::Interrupt;
                    }
                    Pressed::Gone(why) => {
                        let text = "does not work until its keyboard is there again";
                        tell(&Notice::Warning(format!("the panic key {text}: {why}")));
                    }
                    Pressed::Back => tell(&Notice::Note("the panic key works again".into())),
                },
                heard = self.power.next() => match heard {
                    Heard::Note(text) => tell(&Notice::Note(text)),
                    Heard::Warning(text) => tell(&Notice::Warning(text)),
                    Heard::Shutdown => {
                        tell(&Notice::Note("the host shuts down, and waits for the guest".into()));
                        return Event::Stop;
                    }
                },
            }
        }
    }

    fn heard(&mut self, signal: &Signal, tell: Tell<'_>) -> Option<Event> {
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
                tell(&Notice::Note("the terminal is gone; the guest runs on, and vmrun with it".into()));
                None
            }
        }
    }

    /// Does `work` while people are listened to; ends early when the table answers one of them with an action.
    pub(super) async fn meanwhile<T>(
        &mut self,
        state: &mut State,
        tell: Tell<'_>,
        work: impl Future<Output = T>,
    ) -> Result<T, Action> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                event = self.next(tell) => {
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
