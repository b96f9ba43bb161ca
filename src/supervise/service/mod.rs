//! Companions: what runs beside the guest and is watched by vmrun itself.

mod appears;
mod backoff;
mod companion;
mod notify;
mod ready;

use super::patience::awaited;
use super::{Notice, Scene, ServiceNews, Speaker, Tell};
use crate::plan::{Change, Service, Start, UnitState, What};
use crate::process::ProcessId;
use companion::{Absence, Companion, Turn};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

/// How long a companion may take until it is ready when its command has no `timeout`.
const READY: Duration = Duration::from_secs(30);

/// Takes note, for the journal, which process a companion is now; `None` when it has ended.
pub type Note<'a> = &'a dyn Fn(&str, Option<ProcessId>);

/// A companion that the guest cannot do without and that did not start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("service `{name}` did not start: {what}")]
pub struct ServiceFailure {
    /// Its name.
    pub name: String,
    /// What happened.
    pub what: String,
    /// The last lines that it printed.
    pub tail: Vec<String>,
}

/// A companion that the guest cannot do without and that ended for good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("service `{name}`, which the guest requires, is lost: {how}")]
pub struct RequiredLost {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub how: String,
}

/// Who hears of the companions, and what they are told.
struct Around<'a> {
    scene: Scene,
    tell: Tell<'a>,
    note: Note<'a>,
}

impl Around<'_> {
    fn news(&self, name: &str, what: ServiceNews) {
        (self.tell)(&Notice::Service { name: name.to_owned(), what });
    }

    fn line(&self, name: &str, line: &str) {
        (self.tell)(&Notice::Output { by: Speaker::Companion, from: name.to_owned(), line: line.to_owned() });
    }
}

/// The companions of a run, watched while one of their futures is polled. Dropped, they are killed.
///
/// Units of systemd are not here, since systemd watches them; see [`unit_changes`].
pub struct Companions<'a> {
    companions: Vec<Companion>,
    around: Around<'a>,
}

impl<'a> Companions<'a> {
    /// The companions that are commands, none of them started.
    #[must_use]
    pub fn new(services: &[Service], scene: Scene, tell: Tell<'a>, note: Note<'a>) -> Self {
        let companions = services.iter().enumerate().filter_map(Companion::new).collect();
        Self { companions, around: Around { scene, tell, note } }
    }

    /// What the companions that are started from now on are told.
    pub fn set_scene(&mut self, scene: Scene) {
        self.around.scene = scene;
    }

    /// Starts those that start at `start`, in order, each when the one before is ready. One that is not ready after
    /// 30 s, or its command's timeout, has failed.
    ///
    /// # Errors
    /// When a required one fails, or is lost meanwhile; it has ended then, those before it still run. One that is not
    /// required costs a warning, and its restart policy goes on.
    pub async fn start(&mut self, start: Start) -> Result<(), ServiceFailure> {
        for index in 0..self.companions.len() {
            // One that was taken over runs already.
            if self.companions[index].start == start && !self.companions[index].is_up() {
                self.start_one(index).await?;
            }
        }
        Ok(())
    }

    /// Watches them: hands out their output, starts again what ends, as their policies say. Resolves when a required
    /// one is lost; never when there is nothing to watch.
    ///
    /// Cancel-safe. To be polled beside everything that takes long, since nobody else reads their output.
    pub async fn next(&mut self) -> RequiredLost {
        loop {
            let (index, turn) = self.turn().await;
            let Companion { name, required: true, .. } = &self.companions[index] else { continue };
            if let Turn::Over { how } = turn {
                return RequiredLost { name: name.clone(), how };
            }
        }
    }

    /// Ends those that start at `start`, last first: SIGTERM to the group, their time to stop, SIGKILL. Resolves when
    /// all of them have ended.
    pub async fn stop(&mut self, start: Start) {
        // Before the first one is awaited, so that none is started again meanwhile.
        self.companions.iter_mut().filter(|companion| companion.start == start).for_each(Companion::start_no_more);
        for index in (0..self.companions.len()).rev() {
            if self.companions[index].start == start {
                self.stop_one(index).await;
            }
        }
    }

    /// Takes over those of `recorded` that run, which an earlier vmrun started; what died meanwhile is started again once
    /// if its restart policy says so. Those that start at `with` or before had their turn. That a required one is lost,
    /// [`next`](Self::next) tells.
    pub async fn adopt(&mut self, recorded: &[(String, ProcessId)], with: Start) {
        for index in 0..self.companions.len() {
            let companion = &mut self.companions[index];
            let before = recorded.iter().find(|(name, _)| *name == companion.name).map(|(_, process)| *process);
            if let Some(process) = before.filter(|process| companion.adopt(*process)) {
                (self.around.note)(&companion.name, Some(process));
                continue;
            }
            if companion.start == Start::After && with == Start::Before {
                continue;
            }
            match companion.after_absence(before.is_some()) {
                Absence::StartAgain => {
                    if let Err(failure) = self.start_one(index).await {
                        self.companions[index].lose(failure.what);
                    }
                }
                Absence::StayAway => {}
                Absence::Lost => companion.lose("it ended while no vmrun was there".to_owned()),
            }
        }
    }

    /// For a QEMU that is started anew: those that are not restarted by themselves belong to the one that ended, like a
    /// virtiofsd or a TPM, and are ended and started again. The others run on.
    ///
    /// # Errors
    /// When a required one does not start.
    pub async fn renew(&mut self) -> Result<(), ServiceFailure> {
        for index in 0..self.companions.len() {
            let companion = &self.companions[index];
            if companion.start == Start::Before && companion.belongs_to_qemu() {
                self.stop_one(index).await;
                self.start_one(index).await?;
            }
        }
        Ok(())
    }

    /// Lets go of them; they run on.
    pub fn leave(&mut self) {
        self.companions.iter_mut().filter_map(Companion::take).for_each(|running| running.leave());
    }

    async fn start_one(&mut self, index: usize) -> Result<(), ServiceFailure> {
        let (name, tell) = (self.companions[index].name.clone(), self.around.tell);
        awaited(tell, || format!("{name} to be ready"), self.until_ready(index)).await
    }

    async fn until_ready(&mut self, index: usize) -> Result<(), ServiceFailure> {
        let limit = self.companions[index].ready_within().unwrap_or(READY);
        let until = Instant::now() + limit;
        if let Err(error) = self.companions[index].spawn(&self.around) {
            return self.not_started(index, error).await;
        }
        loop {
            let Ok((other, turn)) = timeout_at(until, self.turn()).await else {
                let what = format!("not ready after {}", humantime::format_duration(limit));
                return self.not_started(index, what).await;
            };
            match turn {
                Turn::Ready if other == index => return Ok(()),
                Turn::Died { how } | Turn::Over { how } if other == index => {
                    return self.not_started(index, format!("{how} before it was ready")).await;
                }
                Turn::Over { how } if self.companions[other].required => return Err(self.failure(other, how)),
                Turn::Ready | Turn::Died { .. } | Turn::Over { .. } => {}
            }
        }
    }

    async fn not_started(&mut self, index: usize, what: String) -> Result<(), ServiceFailure> {
        let failure = self.failure(index, what);
        if self.companions[index].required {
            self.stop_one(index).await;
            return Err(failure);
        }
        (self.around.tell)(&Notice::Warning(failure.to_string()));
        Ok(())
    }

    fn failure(&self, index: usize, what: String) -> ServiceFailure {
        let companion = &self.companions[index];
        ServiceFailure { name: companion.name.clone(), what, tail: companion.last_lines() }
    }

    async fn stop_one(&mut self, index: usize) {
        let (name, tell) = (self.companions[index].name.clone(), self.around.tell);
        awaited(tell, || format!("{name} to end"), self.until_ended(index)).await;
    }

    async fn until_ended(&mut self, index: usize) {
        let companion = &mut self.companions[index];
        let Some(mut running) = companion.take() else { return };
        let (name, grace) = (companion.name.clone(), companion.stop_timeout);
        let (tell, note) = (self.around.tell, self.around.note);
        let mut each =
            |line: &str| tell(&Notice::Output { by: Speaker::Companion, from: name.clone(), line: line.to_owned() });
        let end = tokio::select! {
            end = running.stop(grace, &mut each) => end,
            // The others are read on; what they become is for the next one who asks.
            () = self.turns() => return,
        };
        note(&name, None);
        tell(&Notice::Service { name: name.clone(), what: ServiceNews::Stopped { how: end.to_string() } });
    }

    /// Never resolves.
    async fn turns(&mut self) {
        loop {
            self.turn().await;
        }
    }

    /// The next thing that happens to any of them.
    async fn turn(&mut self) -> (usize, Turn) {
        let Self { companions, around } = self;
        let mut turns: Vec<_> = companions.iter_mut().map(|companion| Box::pin(companion.turn(around))).collect();
        poll_fn(|context| first(&mut turns, context)).await
    }
}

fn first<F: Future<Output = Turn>>(turns: &mut [Pin<Box<F>>], context: &mut Context<'_>) -> Poll<(usize, Turn)> {
    for (index, turn) in turns.iter_mut().enumerate() {
        if let Poll::Ready(turn) = turn.as_mut().poll(context) {
            return Poll::Ready((index, turn));
        }
    }
    Poll::Pending
}

/// The changes that start the units among `services`; their inverses stop them again. A unit that is active already
/// makes no change, so it is not stopped either: [`Change::already`].
#[must_use]
pub fn unit_changes(services: &[Service], start: Start) -> Vec<Change> {
    let those = services.iter().filter(|service| service.start == start);
    those
        .filter_map(|service| match &service.what {
            What::Unit { unit, user } => Some(Change::Unit {
                unit: unit.clone(),
                user: user.clone(),
                from: UnitState::Inactive,
                to: UnitState::Active,
            }),
            What::Command { .. } => None,
        })
        .collect()
}
