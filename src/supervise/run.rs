//! One run of a guest, from an untouched host to an untouched host.

use super::boot::boot;
use super::control::{Control, Status};
use super::inputs::Inputs;
use super::prepare::{Prepared, prepare};
use super::signal::Signals;
use super::undo::put_back;
use super::watch::{Watched, watch};
use super::{Action, Ended, Event, Failure, Notice, Outcome, Scene, Stage, State, Tell};
use crate::apply::{ApplyError, Instance, recover};
use crate::host::Root;
use crate::plan::Plan;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::task::LocalSet;

/// A plan and what is needed to carry it out.
#[derive(Clone, Debug)]
pub struct Order {
    /// The plan.
    pub plan: Plan,
    /// Below which the host is changed.
    pub root: Root,
    /// `/proc/sys/kernel/random/boot_id`, for the journal.
    pub boot_id: String,
    /// Where the logs of the guest are kept.
    pub log_dir: PathBuf,
    /// The profile's folder, in which hooks and companions run.
    pub folder: PathBuf,
    /// The plan as JSON, for hooks.
    pub plan_json: Vec<u8>,
}

/// Carries out `order` and tells what happens through `tell`; returns when the guest has ended and the host is put
/// back. It never fails half-way: what goes wrong is in the outcome.
pub async fn run(order: Order, tell: Tell<'_>) -> Outcome {
    LocalSet::new().run_until(claimed(order, tell)).await
}

async fn claimed(order: Order, tell: Tell<'_>) -> Outcome {
    let dir = order.plan.run_dir.clone();
    let instance = match Instance::claim(&dir) {
        Ok(instance) => instance,
        Err(error) => return Outcome::before_anything(not_claimed(&order, &error)),
    };
    match recover(order.root.clone(), &dir, &order.boot_id).await {
        Ok(None) => {}
        Ok(Some((_, unrestored))) if unrestored.is_empty() => {
            tell(&Notice::Note("the last run died before it put the host back; that is done now".into()));
        }
        Ok(Some((_, unrestored))) => {
            let what = "the last run died, and what it changed could not all be put back";
            return Outcome { unrestored, ..Outcome::before_anything(failure(Stage::Host, what)) };
        }
        Err(error) => return Outcome::before_anything(failure(Stage::Folder, sentence(&error))),
    }
    let opened = Signals::new().and_then(|signals| Ok((signals, Control::listen(&dir, first_status(&order))?)));
    let (signals, control) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let what = format!("cannot listen in {}: {error}", dir.display());
            return Outcome::before_anything(failure(Stage::Folder, what));
        }
    };
    let mut inputs = Inputs::new(signals, control, order.plan.ending.stop_on_hangup, tell);
    let mut outcome = lived(&order, &instance, &mut inputs, tell).await;
    outcome.raise = inputs.raise();
    let owed = !outcome.unrestored.is_empty() || matches!(outcome.ended, Ended::Left { .. });
    if !owed && let Err(error) = instance.release() {
        tell(&Notice::Warning(sentence(&error)));
    }
    outcome
}

/// The life itself: prepare, boot, watch, put back.
async fn lived(order: &Order, instance: &Instance, inputs: &mut Inputs<'_>, tell: Tell<'_>) -> Outcome {
    let began = Instant::now();
    let mut state = State::Preparing;
    let mut scene = Scene::new(&order.plan, order.folder.clone(), &order.log_dir, order.plan_json.as_slice().into());
    let mut held = Prepared::new(order, instance, tell);

    let prepared = inputs.meanwhile(&mut state, prepare(&mut held, &order.plan, &scene, tell)).await;
    let ended = match prepared {
        Ok(Ok(())) => {
            state = state.on(Event::HostReady).0;
            inputs.control().tell(|status| status.state = "booting".into());
            let booted = inputs.meanwhile(&mut state, boot(&mut held, order, instance, &mut scene, tell)).await;
            match booted {
                Ok(Ok(guest)) => {
                    inputs.control().tell(|status| status.qemu = Some(guest.pid()));
                    state = state.on(Event::GuestRuns).0;
                    tell(&Notice::stage("guest running", began.elapsed()));
                    let watched = watch(Watched { guest, state, held: &mut held, scene: &mut scene }, order, inputs, tell);
                    watched.await
                }
                Ok(Err(failure)) => Ended::Failed(failure),
                Err(Action::Leave) => Ended::Left { qemu: None },
                // Nothing of the guest has run: a QEMU that is let go of before it runs is killed.
                Err(_) => Ended::Cancelled,
            }
        }
        Ok(Err(failure)) => Ended::Failed(failure),
        Err(Action::Leave) => Ended::Left { qemu: None },
        Err(_) => Ended::Cancelled,
    };
    if let Ended::Left { .. } = ended {
        held.leave();
        return Outcome { ended, unrestored: Vec::new(), failed_hooks: Vec::new(), raise: None };
    }
    inputs.control().tell(|status| status.state = "undoing".into());
    let mut state = State::Undoing;
    let undoing = put_back(held, order, &mut scene, &ended, tell);
    match inputs.meanwhile(&mut state, undoing).await {
        Ok((unrestored, failed_hooks)) => Outcome { ended, unrestored, failed_hooks, raise: None },
        Err(_) => Outcome { ended: Ended::Left { qemu: None }, ..Outcome::before_anything(ended) },
    }
}

fn first_status(order: &Order) -> Status {
    Status {
        name: order.plan.name.to_string(),
        state: "preparing".into(),
        supervisor: std::process::id(),
        qemu: None,
        since: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    }
}

fn not_claimed(order: &Order, error: &ApplyError) -> Ended {
    let name = &order.plan.name;
    match error {
        ApplyError::Busy(why) => failure(
            Stage::Busy,
            format!("{name} cannot be started: {why}; see it with `vmrun status {name}`, end it with `vmrun stop {name}`"),
        ),
        ApplyError::Untrusted { .. } | ApplyError::Refused(_) | ApplyError::Io { .. } => {
            failure(Stage::Folder, sentence(error))
        }
    }
}

fn failure(stage: Stage, what: impl Into<String>) -> Ended {
    Ended::Failed(Failure { stage, what: what.into(), log: Vec::new() })
}

/// An error with its causes, in one line.
pub(super) fn sentence(error: &dyn Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
