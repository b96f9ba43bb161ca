//! What vmrun does about what happens to a guest that runs, by the table: [`Watch`] is what one knows of it.

use super::control::Desk;
use super::life::Life;
use super::reboots::Reboots;
use super::rtc;
use super::run::sentence;
use super::side::Side;
use super::verdict::Verdict;
use super::watch::Left;
use super::{Action, Ended, Event, Notice, Rung, State, Tell, notify};
use crate::plan::{OnReboot, Plan, Point};
use crate::process::ProcessId;
use crate::qemu::{Event as Said, Guest, QueryStatus, RunState};
use crate::unit::Period;
use rustix::process::{Signal, pidfd_send_signal};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long QEMU's main loop may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a QEMU whose monitor is closed may take to end before it counts as alive: a crashed one has memory and devices
/// to let go of.
const ENDING: Duration = Duration::from_secs(10);

/// The guest, the table, and what was heard so far.
pub(super) struct Watch<'a> {
    pub(super) guest: Guest,
    pub(super) state: State,
    pub(super) deadline: Option<Instant>,
    pub(super) life: &'a Life<'a>,
    pub(super) verdict: Verdict,
    /// Whether a required companion has ended; the guest ends for one.
    pub(super) failing: bool,
    pub(super) lost: Option<String>,
    /// A required companion that ended about when QEMU did: its loss counts unless the guest had ended.
    pub(super) along: Option<String>,
    pub(super) side: Side<'a>,
    pub(super) reboots: &'a mut Reboots,
    pub(super) desk: &'a Desk,
    pub(super) log_dir: &'a Path,
    pub(super) plan: &'a Plan,
    pub(super) tell: Tell<'a>,
}

impl Watch<'_> {
    /// An event of QEMU.
    pub(super) fn heard(&mut self, event: &Said) {
        let Said { name, data, .. } = event;
        self.desk.heard(event);
        (self.tell)(&Notice::Event { event: name.clone(), data: data.clone() });
        self.verdict.hear(name, data);
        self.life.hear(event);
        match name.as_str() {
            "RESET" if data["guest"] == true => self.rebooted(),
            "RTC_CHANGE" => self.keep_clock(),
            "SUSPEND" => self.note(format!("the guest sleeps; `vmrun wake {}` wakes it", self.plan.name)),
            "GUEST_PANICKED" => (self.tell)(&Notice::Warning(format!("the guest panicked: {data}"))),
            "BLOCK_IO_ERROR" if data["nospace"] == true && data["action"] == "stop" => {
                let text = format!(
                    "the host has no room for what the guest writes ({}), so the guest waits; make room, then `vmrun resume {}`",
                    event.text("node-name").unwrap_or("unnamed disk"),
                    self.plan.name
                );
                (self.tell)(&Notice::Warning(text));
            }
            "BLOCK_IO_ERROR" => (self.tell)(&Notice::Warning(format!("a disk of the guest fails: {data}"))),
            _ => {}
        }
        self.desk.place_interrupts().into_iter().for_each(|moved| self.note(moved));
        // A thread that QEMU made meanwhile carries the place of the one that made it.
        match self.guest.place_newcomers() {
            Ok(new) if new.is_empty() => {}
            Ok(_) => self.desk.threads(self.guest.threads()),
            Err(error) => (self.tell)(&Notice::Warning(sentence(&error))),
        }
    }

    /// The monitor is closed. QEMU ends in a moment; that it lives on is told.
    pub(super) fn monitor_closed(&mut self) {
        tracing::info!("the monitor is closed");
        let (Some(qemu), false) = (ProcessId::of(self.guest.pid()), self.verdict.is_over()) else { return };
        let (tell, name) = (self.tell, &self.plan.name);
        self.side.add(async move {
            qemu.ended_within(ENDING).await;
            if qemu.is_alive() {
                tell(&Notice::Warning(format!(
                    "the connection to QEMU's monitor is lost, and the guest runs on: its power button cannot be pressed, and \
                     nothing of it be asked or changed. Shut it down from within, or `vmrun stop --force {name}` forces it \
                     off; or give it another vmrun: end this one with `kill -QUIT {}`, then `vmrun attach {name}`",
                    std::process::id()
                )));
            }
        });
    }

    fn keep_clock(&mut self) {
        if let Some(clock) = self.plan.clock {
            self.side.add(rtc::keep(clock, self.guest.qmp().clone(), self.log_dir.to_owned(), self.tell));
        }
    }

    /// Whether QEMU has ended, or is about to: then its main loop answers nothing more, and the monitor closes.
    async fn is_ending(&mut self) -> bool {
        let qmp = self.guest.qmp().clone();
        let asked = timeout(PATIENCE, qmp.execute(&QueryStatus {}));
        tokio::select! {
            biased;
            _ = self.guest.wait() => return true,
            answer = asked => match answer {
                Ok(Ok(status)) => return status.status == RunState::Shutdown,
                Ok(Err(_)) => {}
                Err(_) => return false,
            },
        }
        timeout(PATIENCE, self.guest.wait()).await.is_ok()
    }

    /// A required companion ended, by `why`: whether the guest ends for it.
    pub(super) async fn companion_ended(&mut self, why: String) -> Option<Event> {
        self.failing = true;
        // A companion that talks with QEMU, like virtiofsd, ends with it, and may be seen to end first.
        if self.verdict.is_over() {
            return None;
        }
        if self.is_ending().await {
            self.along = Some(why);
            return None;
        }
        self.lost = Some(why);
        Some(Event::Failed)
    }

    /// The guest showed no sign of life within `limit`: whether it ends for it.
    pub(super) fn lifeless(&mut self, limit: Period) -> Option<Event> {
        // Who stops it already waits for it.
        if self.state != State::Running {
            return None;
        }
        self.warn(format!("the guest shows no sign of life after {limit}; it is forced off (on.dead_boot)"));
        self.verdict.lifeless();
        Some(Event::Force)
    }

    fn rebooted(&mut self) {
        self.note("the guest reboots".into());
        self.count_reboot();
        self.side.hooks_at(Point::Reset);
    }

    fn count_reboot(&mut self) {
        if self.reboots.too_many(Instant::now()) {
            let text = format!("the guest reboots again and again; `vmrun stop --force {}` ends it", self.plan.name);
            (self.tell)(&Notice::Warning(text));
        }
    }

    /// Why QEMU ended.
    pub(super) fn ended(&mut self, status: Option<ExitStatus>) -> Left {
        let cold = self.plan.ending.on_reboot == OnReboot::Restart && self.state == State::Running;
        let over = self.verdict.is_over();
        match self.lost.take().or_else(|| self.along.take().filter(|_| !over)) {
            Some(why) => Left::Ended(Ended::CompanionLost { why }),
            None if cold && self.verdict.is_reboot() => {
                self.note("the guest reboots".into());
                self.count_reboot();
                Left::Restart
            }
            None => Left::Ended(self.verdict.ended(status, || self.guest.log_tail())),
        }
    }

    /// Takes one event through the table and does what it says. Only leaving ends the watch here.
    pub(super) async fn on(&mut self, event: Event) -> Option<Ended> {
        let (next, action) = self.state.on(event);
        if next != self.state {
            self.state = next;
            self.deadline = next.limit(&self.plan.ending).map(|limit| Instant::now() + limit);
            let word = if next == State::Running { "running" } else { "stopping" };
            self.desk.enter(word, self.tell);
        }
        match action? {
            Action::PowerDown => self.power_down().await,
            Action::Warn => {
                self.note(format!("{} once more within 5 s forces the guest off: its unsaved work is lost", self.keys()));
            }
            Action::SayOverdue => self.warn(format!(
                "the guest did not power off within {}; it is left alone. `vmrun stop --force {}` forces it off, its unsaved work is lost",
                self.plan.ending.timeout, self.plan.name
            )),
            Action::Quit => self.quit().await,
            Action::Terminate => self.terminate(),
            Action::Kill => self.kill(),
            Action::SayStuck => self.warn(format!(
                "QEMU (process {}) does not end after SIGKILL: a thread of it is stuck in the kernel. Its devices stay claimed, and \
                 nothing is undone, until the kernel lets go of it or the host is rebooted. SIGQUIT (Ctrl-\\) ends this wait; \
                 `vmrun recover {}` does the rest later",
                self.guest.pid(),
                self.plan.name
            )),
            Action::Leave => return Some(Ended::Left { qemu: Some(self.guest.pid()) }),
            Action::Boot | Action::Announce | Action::Cancel | Action::Undo => {}
        }
        None
    }

    pub(super) fn note(&self, text: String) {
        (self.tell)(&Notice::Note(text));
    }

    fn warn(&self, text: String) {
        (self.tell)(&Notice::Warning(text));
    }

    /// What is pressed to stop the guest.
    fn keys(&self) -> &'static str {
        if self.plan.panic_key.is_some() { "Ctrl-C or the panic key" } else { "Ctrl-C" }
    }

    async fn power_down(&mut self) {
        if self.state == State::Stopping(Rung::Asked) {
            notify::stopping();
            self.side.hooks_at(Point::Stopping);
            self.note(format!(
                "power button pressed; the guest has {} to power off. {} again to force it off",
                self.plan.ending.timeout,
                self.keys()
            ));
        }
        match timeout(PATIENCE, self.guest.powerdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => (self.tell)(&Notice::Warning(format!("the power button cannot be pressed: {error}"))),
            Err(_) => (self.tell)(&Notice::Warning("QEMU does not answer; its main loop may be stuck".into())),
        }
    }

    async fn quit(&mut self) {
        self.verdict.force();
        // A QEMU that does not answer is terminated when the time of this rung is over.
        if let Ok(Err(error)) = timeout(PATIENCE, self.guest.quit()).await {
            (self.tell)(&Notice::Warning(format!("QEMU cannot be told to quit: {error}")));
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
