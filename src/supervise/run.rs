//! One run of a guest, from an untouched host to an untouched host.

use super::boot::boot;
use super::control::{Control, Status};
use super::inputs::Inputs;
use super::prepare::{Hands, beside, prepare};
use super::signal::Signals;
use super::undo::put_back;
use super::watch::watch;
use super::{Action, Companions, Ended, Event, Failure, Notice, Outcome, Scene, Stage, State, Tell};
use crate::apply::{ApplyError, Instance, Lease, recover};
use crate::host::Root;
use crate::plan::Plan;
use std::cell::RefCell;
use std::error::Error;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
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
    // On the heap: the whole life of a guest is one future.
    LocalSet::new().run_until(Box::pin(claimed(order, tell))).await
}

async fn claimed(order: Order, tell: Tell<'_>) -> Outcome {
    let dir = order.plan.run_dir.clone();
    let instance = match Instance::claim(&dir) {
        Ok(instance) => instance,
        Err(error) => return Outcome::of(not_claimed(&order, &error)),
    };
    match recover(order.root.clone(), &dir, &order.boot_id).await {
        Ok(None) => {}
        Ok(Some((_, unrestored))) if unrestored.is_empty() => {
            tell(&Notice::Note("the last run died before it put the host back; that is done now".into()));
        }
        Ok(Some((_, unrestored))) => {
            let what = "the last run died, and what it changed could not all be put back";
            return Outcome { unrestored, ..Outcome::of(failure(Stage::Host, what)) };
        }
        Err(error) => return Outcome::of(failure(Stage::Folder, sentence(&error))),
    }
    if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&order.log_dir) {
        return Outcome::of(failure(Stage::Folder, format!("cannot make {}: {error}", order.log_dir.display())));
    }
    let opened = Signals::new().and_then(|signals| Ok((signals, Control::listen(&dir, first_status(&order))?)));
    let (signals, control) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let what = format!("cannot listen in {}: {error}", dir.display());
            return Outcome::of(failure(Stage::Folder, what));
        }
    };
    let mut inputs = Inputs::new(signals, control, order.plan.ending.stop_on_hangup, tell);
    let mut outcome = Box::pin(lived(&order, &instance, &mut inputs, tell)).await;
    outcome.raise = inputs.raise();
    let owed = !outcome.unrestored.is_empty() || matches!(outcome.ended, Ended::Left { .. });
    if !owed && let Err(error) = instance.release() {
        tell(&Notice::Warning(sentence(&error)));
    }
    outcome
}

/// The life itself: prepare, boot, watch, put back.
async fn lived(order: &Order, instance: &Instance, inputs: &mut Inputs<'_>, tell: Tell<'_>) -> Outcome {
    let Order { plan, root, boot_id, log_dir, .. } = order;
    let lease = Lease::new(root.clone(), instance.dir(), plan.name.clone(), boot_id.clone());
    let note = |name: &str, process| {
        if let Err(error) = lease.note_companion(name, process) {
            tell(&Notice::Warning(sentence(&error)));
        }
    };
    let mut scene = scene(order);
    let mut companions = Companions::new(&plan.services, scene.clone(), tell, &note);
    let failed = RefCell::default();
    let hands = Hands { plan, lease: &lease, failed: &failed, tell };

    let ended = Box::pin(live(hands, (instance, log_dir), &mut companions, &mut scene, inputs)).await;
    if let Ended::Left { .. } = ended {
        companions.leave();
        return Outcome::of(ended);
    }
    inputs.control().tell(|status| status.state = "undoing".into());
    let mut state = State::Undoing;
    let undoing = put_back(hands, &mut companions, &mut scene, &ended);
    match inputs.meanwhile(&mut state, undoing).await {
        Ok(unrestored) => Outcome { unrestored, failed_hooks: failed.take(), ..Outcome::of(ended) },
        Err(_) => Outcome::of(Ended::Left { qemu: None }),
    }
}

/// From an untouched host to a QEMU that is gone.
async fn live(
    hands: Hands<'_>,
    (instance, log_dir): (&Instance, &Path),
    companions: &mut Companions<'_>,
    scene: &mut Scene,
    inputs: &mut Inputs<'_>,
) -> Ended {
    let began = Instant::now();
    let mut state = State::Preparing;
    let plan = match inputs.meanwhile(&mut state, prepare(hands, companions, scene)).await {
        Ok(Ok(plan)) => plan,
        given_up => return not_started(given_up.map(|prepared| prepared.map(drop))),
    };
    let hands = Hands { plan, ..hands };
    state = state.on(Event::HostReady).0;
    inputs.control().tell(|status| status.state = "booting".into());
    // Dropped before it is done, it leaves no QEMU: nothing of the guest has run.
    let booting = async {
        let booted = boot(hands, instance, log_dir, scene);
        beside(companions, booted).await
    };
    match Box::pin(inputs.meanwhile(&mut state, booting)).await {
        Ok(Ok(guest)) => {
            inputs.control().tell(|status| status.qemu = Some(guest.pid()));
            let state = state.on(Event::GuestRuns).0;
            (hands.tell)(&Notice::stage("guest running", began.elapsed()));
            companions.set_scene(scene.clone());
            watch((guest, state), hands, companions, scene, inputs).await
        }
        given_up => {
            // Let go of before its guest ran, it was killed; the kernel may still be taking it apart.
            hands.lease.qemu_gone().await;
            not_started(given_up.map(|booted| booted.map(drop)))
        }
    }
}

fn not_started(result: Result<Result<(), Failure>, Action>) -> Ended {
    match result {
        Ok(Err(failure)) => Ended::Failed(failure),
        Err(Action::Leave) => Ended::Left { qemu: None },
        Ok(Ok(())) | Err(_) => Ended::Cancelled,
    }
}

fn scene(order: &Order) -> Scene {
    let Order { plan, folder, log_dir, plan_json, .. } = order;
    Scene {
        name: plan.name.clone(),
        run_dir: plan.run_dir.clone(),
        folder: Some(folder.clone()),
        log_dir: Some(log_dir.clone()),
        reason: None,
        exit: None,
        pid: None,
        qmp: None,
        plan_json: plan_json.as_slice().into(),
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
            format!(
                "{name} cannot be started: {why}; see it with `vmrun status {name}`, end it with `vmrun stop {name}`"
            ),
        ),
        ApplyError::Untrusted { .. } | ApplyError::Refused(_) | ApplyError::Stuck(_) | ApplyError::Io { .. } => {
            failure(Stage::Folder, sentence(error))
        }
    }
}

fn failure(stage: Stage, what: impl Into<String>) -> Ended {
    Ended::Failed(Failure { stage, what: what.into(), log: Vec::new() })
}

/// An error with its causes, in one line.
pub(super) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
