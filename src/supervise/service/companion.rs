//! One companion.

use super::Around;
use super::backoff::Backoff;
use super::ready::Awaited;
use crate::apply::SERVICE_VARIABLE;
use crate::plan::{Command, Ready, Restart, Service, Start, What};
use crate::process::{BrokenPipe, End, Identity, ProcessId, Running, start};
use crate::supervise::ServiceNews;
use crate::unit::Period;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Lines of its output that an error shows.
const TAIL: usize = 20;

/// A command that runs beside the guest.
pub(super) struct Companion {
    number: usize,
    pub(super) name: String,
    pub(super) start: Start,
    pub(super) required: bool,
    pub(super) stop_timeout: Duration,
    run: Command,
    restart: Restart,
    ready: Ready,
    backoff: Backoff,
    state: State,
    last_lines: Vec<String>,
}

enum State {
    /// Not started, stopped, given up, or ended as it may.
    Away,
    /// It runs since then.
    Up { running: Box<Running>, since: Instant, awaited: Option<Awaited> },
    /// It is started again then.
    Pause { until: Instant },
    /// It ended for good, and nobody was told yet.
    Lost { how: String },
}

/// What becomes of a companion that does not run when its guest is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// It is started.
    StartAgain,
    /// It is let be.
    StayAway,
    /// The guest cannot do without it, and it is not to be started again.
    Lost,
}

/// One thing that happened to a companion.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It counts as started.
    Ready,
    /// It ended and is started again.
    Died { how: String },
    /// It ended and is not.
    Over { how: String },
}

impl Companion {
    /// With its number among the services. `None` for a unit of systemd.
    pub(super) fn new((number, service): (usize, &Service)) -> Option<Self> {
        let Service { key: _, name, what, start, required } = service;
        let What::Command { run, restart, delay, burst, ready, stop_timeout } = what else { return None };
        Some(Self {
            number,
            name: name.clone(),
            start: *start,
            required: *required,
            stop_timeout: stop_timeout.get(),
            run: run.clone(),
            restart: *restart,
            ready: ready.clone(),
            backoff: Backoff::new(delay.get(), *burst),
            state: State::Away,
            last_lines: vec![],
        })
    }

    /// How long it may take until it is ready, where the profile says so.
    pub(super) fn ready_within(&self) -> Option<Duration> {
        self.run.timeout.map(Period::get)
    }

    /// Starts it.
    pub(super) fn spawn(&mut self, around: &Around<'_>) -> Result<(), String> {
        let awaited = self.awaited(around)?;
        let mut launch = around.scene.launch(&self.run, "service", &self.name, None);
        launch.env.extend(awaited.variable());
        // It shall live on when its vmrun does not.
        launch.broken_pipe = BrokenPipe::Fails;
        // By this it is found when vmrun is killed before it has noted it.
        launch.env.insert(SERVICE_VARIABLE.into(), self.name.clone().into());
        let running = start(&launch).map_err(|error| error.whole())?;
        (around.note)(&self.name, Some(running.id()));
        around.news(&self.name, ServiceNews::Started { pid: running.id().pid });
        self.state = State::Up { running: Box::new(running), since: Instant::now(), awaited: Some(awaited) };
        Ok(())
    }

    fn awaited(&self, around: &Around<'_>) -> Result<Awaited, String> {
        let user = self.run.user.as_deref().map(Identity::of).transpose().map_err(|error| error.whole())?;
        let is_ours = user.is_none_or(|user| user.is_ours());
        let socket = around.scene.run_dir.join(format!("notify-{}.sock", self.number));
        Awaited::prepare(&self.ready, &socket, is_ours)
            .map_err(|error| format!("its readiness cannot be waited for: {error}"))
    }

    /// It is lost, which its next turn tells.
    pub(super) fn lose(&mut self, how: String) {
        self.state = State::Lost { how };
    }

    /// Whether it runs.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Takes over `process`, which is this companion; whether it is there.
    pub(super) fn adopt(&mut self, process: ProcessId) -> bool {
        let Some(running) = Running::adopt(process) else { return false };
        self.state = State::Up { running: Box::new(running), since: Instant::now(), awaited: None };
        true
    }

    /// What is to be done when it does not run and nobody knows how it ended. `was_up`: it ran when its vmrun was killed.
    pub(super) fn after_absence(&self, was_up: bool) -> Absence {
        match self.restart {
            Restart::Always => Absence::StartAgain,
            // One that had ended before ended well, or was about to be started again; the first is likelier.
            Restart::OnFailure if was_up => Absence::StartAgain,
            Restart::No if was_up && self.required => Absence::Lost,
            Restart::OnFailure | Restart::No => Absence::StayAway,
        }
    }

    /// Whether it ends when QEMU does, and serves no other one.
    pub(super) fn belongs_to_qemu(&self) -> bool {
        self.restart == Restart::No
    }

    /// Waits for what happens to it next; for ever when it is away. Cancel-safe: what was waited for is in its state.
    pub(super) async fn turn(&mut self, around: &Around<'_>) -> Turn {
        loop {
            match &mut self.state {
                State::Away => std::future::pending().await,
                State::Lost { how } => {
                    let how = std::mem::take(how);
                    self.state = State::Away;
                    return Turn::Over { how };
                }
                State::Pause { until } => {
                    sleep_until(*until).await;
                    if let Err(error) = self.spawn(around) {
                        return self.died(error, Duration::ZERO, around);
                    }
                }
                State::Up { running, since, awaited } => {
                    let name = &self.name;
                    let mut each = |line: &str| around.line(name, line);
                    let came = until_ready_or_ended(running, awaited, &mut each).await;
                    if let Came::Ready = came {
                        *awaited = None;
                        around.news(name, ServiceNews::Ready);
                        return Turn::Ready;
                    }
                    // What it left of its group would be in the way of the next one.
                    running.kill_group();
                    running.drain(&mut each).await;
                    let (end, lived) = (running.reap(), since.elapsed());
                    self.last_lines = running.kept().last_lines(TAIL);
                    (around.note)(name, None);
                    return self.ended(end, lived, around);
                }
            }
        }
    }

    /// The last lines that it printed.
    pub(super) fn last_lines(&self) -> Vec<String> {
        match &self.state {
            State::Up { running, .. } => running.kept().last_lines(TAIL),
            State::Away | State::Pause { .. } | State::Lost { .. } => self.last_lines.clone(),
        }
    }

    /// Takes what runs of it, so that it is away.
    pub(super) fn take(&mut self) -> Option<Box<Running>> {
        match std::mem::replace(&mut self.state, State::Away) {
            State::Up { running, .. } => Some(running),
            State::Away | State::Pause { .. } | State::Lost { .. } => None,
        }
    }

    /// Has it stay away when it ends, or has ended.
    pub(super) fn start_no_more(&mut self) {
        self.restart = Restart::No;
        if let State::Pause { .. } = self.state {
            self.state = State::Away;
        }
    }

    fn ended(&mut self, end: End, lived: Duration, around: &Around<'_>) -> Turn {
        let again = match self.restart {
            Restart::Always => true,
            Restart::OnFailure => !end.is_success(),
            Restart::No => false,
        };
        if again {
            return self.died(end.to_string(), lived, around);
        }
        self.state = State::Away;
        let how = end.to_string();
        around.news(&self.name, ServiceNews::Ended { how: how.clone(), again_in: None });
        Turn::Over { how }
    }

    fn died(&mut self, how: String, lived: Duration, around: &Around<'_>) -> Turn {
        let now = Instant::now();
        match self.backoff.died(now, lived) {
            Ok(pause) => {
                self.state = State::Pause { until: now + pause };
                around.news(&self.name, ServiceNews::Ended { how: how.clone(), again_in: Some(pause) });
                Turn::Died { how }
            }
            Err(deaths) => {
                self.state = State::Away;
                around.news(&self.name, ServiceNews::GivenUp { deaths, how: how.clone() });
                Turn::Over { how: format!("given up after {deaths} deaths within a minute, the last one {how}") }
            }
        }
    }
}

enum Came {
    Ready,
    Ended,
}

async fn until_ready_or_ended(
    running: &mut Running,
    awaited: &mut Option<Awaited>,
    each: &mut dyn FnMut(&str),
) -> Came {
    let Some(awaited) = awaited else {
        running.ended(each).await;
        return Came::Ended;
    };
    loop {
        tokio::select! {
            biased;
            () = awaited.came() => if awaited.counts(running) {
                return Came::Ready;
            },
            () = running.ended(each) => return Came::Ended,
        }
    }
}
