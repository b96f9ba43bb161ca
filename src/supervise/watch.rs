//! The loop while QEMU lives: one select over everything that can happen. Nothing in it polls.

use super::control::Desk;
use super::hot::{self, Hot};
use super::huge_share::tell_share;
use super::inputs::Inputs;
use super::life::{Life, Look};
use super::log_cap::LogCap;
use super::prepare::{Hands, beside, hooks_at, start_companions};
use super::reboots::Reboots;
use super::rtc;
use super::run::{Run, sentence};
use super::run_folder::QEMU_LOG;
use super::serial::SerialLines;
use super::side::Side;
use super::state_file::Reached;
use super::usb::{self, Hand, UsbWatch};
use super::verdict::Verdict;
use super::{Action, Companions, Ended, Event, Failure, Notice, Rung, Scene, State, Tell, notify};
use crate::plan::{Descriptor, OnReboot, OnTimeout, Plan, Point, Start};
use crate::qemu::{Event as Said, Guest, News, QueryStatus, RunState};
use crate::unit::Period;
use rustix::process::{Signal, pidfd_send_signal};
use std::future::pending;
use std::path::Path;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long QEMU's main loop may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a guest came to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It was started: what belongs to a running guest is owed.
    First,
    /// It was started again by itself.
    Again,
    /// It was taken over, having come so far.
    Back(Reached),
}

/// What is left of a guest that was watched.
pub(super) enum Left {
    /// Nothing: it has ended.
    Ended(Ended),
    /// It rebooted, and wants a new QEMU.
    Restart,
}

/// Watches `guest`, in `state`, to its end.
pub(super) async fn watch(
    (guest, state): (Guest, State),
    (hands, run, arrived): (Hands<'_>, &Run<'_>, Arrived),
    companions: &mut Companions<'_>,
    scene: &Scene,
    (inputs, reboots): (&mut Inputs, &mut Reboots),
) -> Left {
    let Hands { plan, tell, .. } = hands;
    let mut keeping = pin!(keep_company(hands, (run, arrived), companions, scene));
    let mut side = Side::new(hands, scene);
    if let Some(wish) = &plan.transparent {
        side.add(tell_share(wish, guest.pid(), hands.lease.root(), tell));
    }
    let (plugged, say) = UsbWatch::new(&plan.usb, guest.qmp().clone(), hands.lease.root().clone(), tell);
    let hand = plan.user.as_ref().map(|user| Hand { lease: hands.lease, uid: user.uid });
    let plugged = plugged.handing(hand);
    let plugged = if matches!(arrived, Arrived::Back(_)) { plugged.taken_over() } else { plugged };
    let mut plugged = pin!(plugged.run());
    let (hot, say_hot) = Hot::new(hands, guest.qmp().clone(), &run.desk);
    let mut hot = pin!(hot.run(matches!(arrived, Arrived::Back(_))));
    let (life, qmp, devices) = (Life::new(plan.dead_boot, &run.state), guest.qmp().clone(), hands.lease.devices());
    let look = Look { qmp: &qmp, root: hands.lease.root(), devices: &devices, console: &run.desk.console };
    let (mut missed, mut is_watched) = (pin!(life.missed(look)), true);
    let mut watch = Watch {
        guest,
        state,
        deadline: None,
        life: &life,
        verdict: Verdict::default(),
        alone: false,
        lost: None,
        along: None,
        side,
        reboots,
        desk: &run.desk,
        log_dir: &run.order.log_dir,
        plan,
        tell,
    };
    run.desk.enter("running", tell);
    notify::ready();
    let told = plan.descriptors.contains(&Descriptor::Serial);
    let mut serial = SerialLines::new(watch.guest.serial.take(), told, &run.desk.console);
    let log = LogCap::watch(&run.order.log_dir.join(QEMU_LOG));
    loop {
        let deadline = watch.deadline;
        let event = tokio::select! {
            // What QEMU says of its own end comes before what its end does to the companions.
            biased;
            news = watch.guest.next() => match news {
                Ok(News::Event(event)) => {
                    if let ("DEVICE_DELETED", Some(id)) = (event.name.as_str(), event.text("device")) {
                        // The watch lives as long as this loop.
                        let _ = say.send(usb::Said::Deleted(id.to_owned()));
                    }
                    if let Some(said) = hot::Said::of(&event) {
                        let _ = say_hot.send(said);
                    }
                    watch.heard(&event);
                    if watch.verdict.is_over() { log.let_go() }
                    continue
                }
                Ok(News::Disconnected) => { tracing::info!("the monitor is closed"); continue }
                Ok(News::Exited(status)) => {
                    serial.drain(tell).await;
                    watch.side.finish().await;
                    return watch.ended(status);
                }
                Err(error) => {
                    return Left::Ended(Ended::Died { how: sentence(&error), log: watch.guest.log_tail() });
                }
            },
            event = inputs.next(tell) => event,
            () = until(deadline) => Event::Deadline { force: plan.ending.on_timeout == OnTimeout::Kill },
            limit = &mut missed, if is_watched => {
                is_watched = false;
                // Who stops it already waits for it.
                if watch.state != State::Running { continue }
                watch.lifeless(limit);
                Event::Force
            }
            why = &mut keeping, if !watch.alone => {
                watch.alone = true;
                // A companion that talks with QEMU, like virtiofsd, ends with it, and may be seen to end first.
                if watch.verdict.is_over() { continue }
                if watch.is_ending().await {
                    watch.along = Some(why);
                    continue
                }
                watch.lost = Some(why);
                Event::Failed
            }
            switched = run.cpus.next() => {
                switched.heed(&mut watch.guest, hands.lease.root(), tell);
                watch.desk.place_interrupts().into_iter().for_each(|moved| watch.note(moved));
                continue
            }
            () = watch.side.next() => continue,
            never = &mut plugged => match never {},
            never = &mut hot => match never {},
            () = log.next() => continue,
            // Last, so that a guest that talks without end keeps nobody else waiting.
            line = serial.next() => { tell(&Notice::Guest { line }); continue }
        };
        if let Some(left) = watch.on(event).await {
            return Left::Ended(left);
        }
    }
}

/// Runs what belongs to a running guest, then keeps the companions alive. Ends only when one that is required is lost;
/// then with what happened.
async fn keep_company(
    hands: Hands<'_>,
    (run, arrived): (&Run<'_>, Arrived),
    companions: &mut Companions<'_>,
    scene: &Scene,
) -> String {
    let ran = match arrived {
        Arrived::First => accompany(hands, run, companions, scene).await,
        Arrived::Again => companions.start(Start::After).await.map_err(|lost| super::prepare::lost(&lost)),
        Arrived::Back(reached) => welcome_back(hands, (run, reached), companions, scene).await,
    };
    match ran {
        Ok(()) => companions.next().await.to_string(),
        Err(failure) => failure.what,
    }
}

/// Runs the hooks at `reconnect`, and what is still owed to a guest that came so far.
async fn welcome_back(
    hands: Hands<'_>,
    (run, reached): (&Run<'_>, Reached),
    companions: &mut Companions<'_>,
    scene: &Scene,
) -> Result<(), Failure> {
    beside(companions, hooks_at(Point::Reconnect, hands, scene)).await?;
    match reached {
        Reached::Accompanied => Ok(()),
        Reached::Spawned | Reached::Running => accompany(hands, run, companions, scene).await,
    }
}

/// Starts the services that come after the guest, and runs the hooks at `running`.
async fn accompany(
    hands: Hands<'_>,
    run: &Run<'_>,
    companions: &mut Companions<'_>,
    scene: &Scene,
) -> Result<(), Failure> {
    start_companions(Start::After, hands, companions).await?;
    beside(companions, hooks_at(Point::Running, hands, scene)).await?;
    if let Err(error) = run.state.reached(Reached::Accompanied) {
        (hands.tell)(&Notice::Warning(sentence(&error)));
    }
    Ok(())
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
    life: &'a Life<'a>,
    verdict: Verdict,
    /// Whether a required companion has ended; the others are watched no more.
    alone: bool,
    lost: Option<String>,
    /// A required companion that ended about when QEMU did: its loss counts unless the guest had ended.
    along: Option<String>,
    side: Side<'a>,
    reboots: &'a mut Reboots,
    desk: &'a Desk,
    log_dir: &'a Path,
    plan: &'a Plan,
    tell: Tell<'a>,
}

impl Watch<'_> {
    /// An event of QEMU.
    fn heard(&mut self, event: &Said) {
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

    /// The guest showed no sign of life within `limit`.
    fn lifeless(&mut self, limit: Period) {
        self.warn(format!("the guest shows no sign of life after {limit}; it is forced off (on.dead_boot)"));
        self.verdict.lifeless();
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
    fn ended(&mut self, status: Option<ExitStatus>) -> Left {
        let cold = self.plan.ending.on_reboot == OnReboot::Restart && self.state == State::Running;
        let over = self.verdict.is_over();
        match self.lost.take().or_else(|| self.along.take().filter(|_| !over)) {
            Some(why) => Left::Ended(Ended::CompanionLost { why }),
            None if cold && self.verdict.is_reboot() => {
                self.note("the guest reboots".into());
                self.count_reboot();
                Left::Restart
            }
            None => Left::Ended(self.verdict.ended(status, self.guest.log_tail())),
        }
    }

    /// Takes one event through the table and does what it says. Only leaving ends the watch here.
    async fn on(&mut self, event: Event) -> Option<Ended> {
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
                self.note("Ctrl-C once more within 5 s forces the guest off: its unsaved work is lost".into());
            }
            Action::SayOverdue => self.warn(format!(
                "the guest did not power off within {}; it is left alone. `vmrun stop --force {}` forces it off, its unsaved work is lost",
                self.plan.ending.timeout, self.plan.name
            )),
            Action::Quit => self.quit().await,
            Action::Terminate => self.terminate(),
            Action::Kill => self.kill(),
            Action::SayStuck => self.warn(format!(
                "qemu (pid {}) does not end after SIGKILL: a thread of it is stuck in the kernel. Its devices stay claimed, and \
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

    fn note(&self, text: String) {
        (self.tell)(&Notice::Note(text));
    }

    fn warn(&self, text: String) {
        (self.tell)(&Notice::Warning(text));
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
