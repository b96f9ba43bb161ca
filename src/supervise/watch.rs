//! The loop while QEMU lives: one select over everything that can happen. Nothing in it polls.

use super::huge_share::tell_share;
use super::inputs::Inputs;
use super::prepare::{Hands, beside, hooks_at, start_companions};
use super::run::sentence;
use super::serial::SerialLines;
use super::side::Side;
use super::usb::{Said, UsbWatch};
use super::verdict::Verdict;
use super::{Action, Companions, Ended, Event, Notice, Rung, Scene, State, Tell, notify};
use crate::plan::{OnTimeout, Plan, Point, Start};
use crate::qemu::{Guest, News};
use rustix::process::{Signal, pidfd_send_signal};
use serde_json::Value;
use std::future::pending;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long QEMU's main loop may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(3);

/// Watches `guest`, in `state`, to its end.
pub(super) async fn watch(
    (guest, state): (Guest, State),
    hands: Hands<'_>,
    companions: &mut Companions<'_>,
    scene: &Scene,
    inputs: &mut Inputs<'_>,
) -> Ended {
    let Hands { plan, tell, .. } = hands;
    let mut keeping = pin!(keep_company(hands, companions, scene));
    let mut side = Side::new(hands, scene);
    if let Some(wish) = &plan.transparent {
        side.add(tell_share(wish, guest.pid(), hands.lease.root(), tell));
    }
    let (usb, say) = UsbWatch::new(&plan.usb, guest.qmp().clone(), hands.lease.root().clone(), tell);
    let mut usb = pin!(usb.run());
    let mut watch =
        Watch { guest, state, deadline: None, verdict: Verdict::default(), alone: false, lost: None, side, plan, tell };
    inputs.control().tell(|status| status.state = "running".into());
    notify::ready();
    let mut serial = SerialLines::new(watch.guest.serial.take());
    loop {
        let deadline = watch.deadline;
        let event = tokio::select! {
            // What QEMU says of its own end comes before what its end does to the companions.
            biased;
            news = watch.guest.next() => match news {
                Ok(News::Event(event)) => {
                    if let ("DEVICE_DELETED", Some(id)) = (event.name.as_str(), event.text("device")) {
                        // The watch lives as long as this loop.
                        let _ = say.send(Said::Deleted(id.to_owned()));
                    }
                    watch.heard(&event.name, &event.data);
                    continue
                }
                Ok(News::Disconnected) => { tracing::info!("the monitor is closed"); continue }
                Ok(News::Exited(status)) => {
                    serial.drain(tell).await;
                    watch.side.finish().await;
                    return watch.ended(status);
                }
                Err(error) => return Ended::Died { how: sentence(&error), log: watch.guest.log_tail() },
            },
            event = inputs.next() => event,
            () = until(deadline) => Event::Deadline { force: plan.ending.on_timeout == OnTimeout::Kill },
            why = &mut keeping, if !watch.alone => {
                watch.alone = true;
                // A companion that talks with QEMU, like virtiofsd, ends with it.
                if watch.verdict.is_over() { continue }
                watch.lost = Some(why);
                Event::Failed
            }
            () = watch.side.next() => continue,
            never = &mut usb => match never {},
            // Last, so that a guest that talks without end keeps nobody else waiting.
            line = serial.next() => { tell(&Notice::Guest { line }); continue }
        };
        if let Some(left) = watch.on(event, inputs).await {
            return left;
        }
    }
}

/// Runs what belongs to a running guest, then keeps the companions alive. Ends only when one that is required is lost;
/// then with what happened.
async fn keep_company(hands: Hands<'_>, companions: &mut Companions<'_>, scene: &Scene) -> String {
    let started = start_companions(Start::After, hands, companions).await;
    let ran = match started {
        Ok(()) => beside(companions, hooks_at(Point::Running, hands, scene)).await,
        failed => failed,
    };
    match ran {
        Ok(()) => companions.next().await.to_string(),
        Err(failure) => failure.what,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// The guest, the table, and what was heard so far.
struct Watch<'a> {
    guest: Guest,
    state: State,
    deadline: Option<Instant>,
    verdict: Verdict,
    /// Whether a required companion has ended; the others are watched no more.
    alone: bool,
    lost: Option<String>,
    side: Side<'a>,
    plan: &'a Plan,
    tell: Tell<'a>,
}

impl Watch<'_> {
    /// An event of QEMU.
    fn heard(&mut self, name: &str, data: &Value) {
        tracing::debug!(name, %data, "event");
        self.verdict.hear(name, data);
        match name {
            "RESET" if data["guest"] == true => {
                (self.tell)(&Notice::Note("the guest reboots".into()));
                self.side.hooks_at(Point::Reset);
            }
            "GUEST_PANICKED" => (self.tell)(&Notice::Warning(format!("the guest panicked: {data}"))),
            "BLOCK_IO_ERROR" => (self.tell)(&Notice::Warning(format!("a disk of the guest fails: {data}"))),
            _ => {}
        }
        // A thread that QEMU made meanwhile carries the place of the one that made it.
        match self.guest.place_newcomers() {
            Ok(_) => {}
            Err(error) => (self.tell)(&Notice::Warning(sentence(&error))),
        }
    }

    /// Why QEMU ended.
    fn ended(&mut self, status: ExitStatus) -> Ended {
        match self.lost.take() {
            Some(why) => Ended::CompanionLost { why },
            None => self.verdict.ended(status, self.guest.log_tail()),
        }
    }

    /// Takes one event through the table and does what it says. Only leaving ends the watch here.
    async fn on(&mut self, event: Event, inputs: &Inputs<'_>) -> Option<Ended> {
        let (next, action) = self.state.on(event);
        if next != self.state {
            self.state = next;
            self.deadline = next.limit(&self.plan.ending).map(|limit| Instant::now() + limit);
            let word = if next == State::Running { "running" } else { "stopping" };
            inputs.control().tell(|status| status.state = word.into());
        }
        match action? {
            Action::PowerDown => self.power_down().await,
            Action::Warn => {
                self.note("Ctrl-C once more within 5 s forces the guest off: its unsaved work is lost".into());
            }
            Action::SayOverdue => self.note(format!(
                "the guest did not power off within {}; it is left alone. `vmrun stop --force {}` forces it off, its unsaved work is lost",
                self.plan.ending.timeout, self.plan.name
            )),
            Action::Quit => self.quit().await,
            Action::Terminate => self.terminate(),
            Action::Kill => self.kill(),
            Action::SayStuck => self.note(format!(
                "qemu (pid {}) does not end after SIGKILL: a thread of it is stuck in the kernel. Its devices stay claimed",
                self.guest.pid()
            )),
            Action::Leave => return Some(Ended::Left { qemu: Some(self.guest.pid()) }),
            Action::Boot | Action::Announce | Action::Cancel | Action::Undo => {}
        }
        None
    }

    fn note(&self, text: String) {
        (self.tell)(&Notice::Note(text));
    }

    async fn power_down(&mut self) {
        if self.state == State::Stopping(Rung::Asked) {
            notify::stopping();
            self.side.hooks_at(Point::Stopping);
            self.note(format!(
                "power button pressed; the guest has {} to power off. Ctrl-C again to force it off",
                self.plan.ending.timeout
            ));
        }
        match timeout(PATIENCE, self.guest.powerdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => (self.tell)(&Notice::Warning(format!("the power button cannot be pressed: {error}"))),
            Err(_) => (self.tell)(&Notice::Warning("qemu does not answer; its main loop may be stuck".into())),
        }
    }

    async fn quit(&mut self) {
        self.verdict.force();
        // A QEMU that does not answer is terminated when the time of this rung is over.
        if let Ok(Err(error)) = timeout(PATIENCE, self.guest.quit()).await {
            (self.tell)(&Notice::Warning(format!("qemu cannot be told to quit: {error}")));
        }
    }

    fn terminate(&self) {
        // Gone meanwhile is what the signal was for.
        let _ = pidfd_send_signal(self.guest.pidfd(), Signal::TERM);
    }

    fn kill(&self) {
        if let Err(error) = self.guest.kill() {
            (self.tell)(&Notice::Warning(sentence(&error)));
        }
    }
}
