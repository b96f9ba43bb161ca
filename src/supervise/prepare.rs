//! From an untouched host to one that is ready for QEMU.

use super::run::{Order, sentence};
use super::{Companions, Failure, HookFailure, Notice, Scene, Stage, Tell, run_hook, unit_changes};
use crate::apply::{ApplyError, Instance, Lease, Made, make_file};
use crate::plan::{Change, Hook, OnError, Plan, Point, Start};
use std::time::Instant;

/// What is held for the guest and has to be given back.
pub(super) struct Prepared {
    pub(super) lease: Lease,
    pub(super) companions: Companions,
}

impl Prepared {
    /// Nothing held yet.
    pub(super) fn new(order: &Order, instance: &Instance, _tell: Tell<'_>) -> Self {
        let Order { plan, root, boot_id, .. } = order;
        Self {
            lease: Lease::new(root.clone(), instance.dir(), plan.name.clone(), boot_id.clone()),
            companions: Companions::new(&plan.services),
        }
    }

    /// Lets go without giving back: the journal keeps what is owed, the companions run on.
    pub(super) fn leave(self) {
        self.companions.leave();
    }
}

/// Hooks at `pre`, units and companions, files, the changes of the plan, hooks at `prepared`.
pub(super) async fn prepare(held: &mut Prepared, plan: &Plan, scene: &Scene, tell: Tell<'_>) -> Result<(), Failure> {
    hooks_at(Point::Pre, held, plan, scene, tell).await?;
    companions(Start::Before, held, plan, scene, tell).await?;
    for file in &plan.files {
        make_file(file).map_err(|error| host_failure(&error))?;
    }
    for change in &plan.changes {
        let began = Instant::now();
        held.lease.make(change).await.map_err(|error| host_failure(&error))?;
        tell(&Notice::stage(stage_name(change), began.elapsed()));
    }
    hooks_at(Point::Prepared, held, plan, scene, tell).await
}

/// Starts the units and commands that belong to `start`.
pub(super) async fn companions(
    start: Start,
    held: &mut Prepared,
    plan: &Plan,
    scene: &Scene,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    for change in unit_changes(&plan.services, start) {
        let began = Instant::now();
        let made = held.lease.make(&change.change).await;
        match made {
            Ok(Made::Now) => tell(&Notice::stage(format!("{} started", change.name), began.elapsed())),
            Ok(Made::Already) => tell(&Notice::Note(format!("{} ran already and will be left running", change.name))),
            Err(error) if change.required => return Err(failure(Stage::Companion, sentence(&error), Vec::new())),
            Err(error) => tell(&Notice::Warning(sentence(&error))),
        }
    }
    let Prepared { lease, companions } = held;
    companions
        .start(start, scene, lease, tell)
        .await
        .map_err(|lost| failure(Stage::Companion, lost.to_string(), lost.tail))
}

/// Runs the hooks at a point that can veto, in the order of the profile. Each that can be taken back is in the journal
/// before it runs.
pub(super) async fn hooks_at(
    at: Point,
    held: &mut Prepared,
    plan: &Plan,
    scene: &Scene,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let scene = scene.at(at);
    for hook in plan.hooks.iter().filter(|hook| hook.at == at) {
        let began = Instant::now();
        match noted(hook, held, &scene, tell).await? {
            Ok(()) => tell(&Notice::stage(format!("hook {} ({at})", hook.name), began.elapsed())),
            Err(failed) if at.can_veto() && hook.on_error == OnError::Abort => {
                return Err(failure(Stage::Hook, failed.to_string(), failed.tail));
            }
            Err(failed) => tell(&Notice::Warning(failed.to_string())),
        }
    }
    Ok(())
}

async fn noted(
    hook: &Hook,
    held: &mut Prepared,
    scene: &Scene,
    tell: Tell<'_>,
) -> Result<Result<(), HookFailure>, Failure> {
    let change = hook.undo.as_ref().map(|undo| {
        let back = scene.complete(undo);
        Change::Hook { name: hook.name.clone(), run: Some(hook.run.clone()), back: Some(back) }
    });
    if let Some(change) = &change {
        held.lease.note(change).map_err(|error| host_failure(&error))?;
    }
    let ran = run_hook(hook, scene, tell).await;
    if let (Some(change), Err(_)) = (&change, &ran) {
        held.lease.forget(change).map_err(|error| host_failure(&error))?;
    }
    Ok(ran)
}

fn stage_name(change: &Change) -> String {
    match change {
        Change::HugePages { node, size, pages } => format!("{pages} huge pages of {size} on node {node}"),
        Change::Unit { unit, .. } => unit.clone(),
        Change::Hook { name, .. } => name.clone(),
    }
}

fn host_failure(error: &ApplyError) -> Failure {
    failure(Stage::Host, sentence(error), Vec::new())
}

pub(super) fn failure(stage: Stage, what: String, log: Vec<String>) -> Failure {
    Failure { stage, what, log }
}
