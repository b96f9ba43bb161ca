//! One run of a guest, from an untouched host to an untouched host.

use super::adopt::adopted;
use super::boot::{Turn, boot};
use super::control::Desk;
use super::host_cpus::HostCpus;
use super::inputs::Inputs;
use super::opening::{begun, scene};
use super::patience::awaited;
use super::prepare::{Hands, beside, lost, not_claimed_devices, prepare};
use super::reboots::Reboots;
use super::run_folder::prune;
use super::state_file::StateFile;
use super::undo::put_back;
use super::watch::{Arrived, Left, watch};
use super::{Action, Companions, Ended, Event, Failure, Notice, Outcome, Scene, Stage, State, Tell, hot, notify};
use crate::apply::{ApplyError, Damage, Instance, Lease, recover};
use crate::host::Root;
use crate::plan::Plan;
use crate::qemu::Guest;
use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;
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
    /// The state folder of the guest; each run keeps its logs in a folder of its own below.
    pub log_dir: PathBuf,
    /// The profile's folder, in which hooks and companions run.
    pub folder: PathBuf,
    /// The plan as JSON, for hooks.
    pub plan_json: Vec<u8>,
    /// The profile's texts as JSON, kept with the run for `vmrun diff`.
    pub profile_json: Vec<u8>,
}

/// A run that has its folders.
pub(super) struct Run<'a> {
    /// With the folder of this run's logs.
    pub(super) order: Order,
    pub(super) instance: &'a Instance,
    pub(super) state: StateFile,
    pub(super) desk: Rc<Desk>,
    pub(super) since: u64,
    /// What is heard of host CPUs while the guest is made and while it runs.
    pub(super) cpus: HostCpus,
}

/// Carries out `order` and tells what happens through `tell`; returns when the guest has ended and the host is put
/// back. It never fails half-way: what goes wrong is in the outcome. A guest that runs on after its vmrun was killed is
/// taken over instead.
pub async fn run(order: Order, tell: Tell<'_>) -> Outcome {
    // On the heap: the whole life of a guest is one future.
    let set = LocalSet::new();
    set.spawn_local(notify::watchdog());
    set.run_until(Box::pin(claimed(order, tell))).await
}

async fn claimed(order: Order, tell: Tell<'_>) -> Outcome {
    let dir = order.plan.run_dir.clone();
    super::clear_unborn(&dir).await;
    let instance = match Instance::claim(&dir) {
        Ok(instance) => instance,
        Err(ApplyError::Orphan) => {
            tell(&Notice::Note("the guest runs already; its vmrun was killed, and this one takes its place".into()));
            return adopted(&dir, order.root, &order.boot_id, tell).await;
        }
        Err(error) => return Outcome::of(not_claimed(order.plan.name.as_str(), &error)),
    };
    let recovered = recover(order.root.clone(), &dir, &order.boot_id, Damage::Refuse);
    match awaited(tell, || "the host to be put back after the last run".into(), recovered).await {
        Ok(None) => {}
        Ok(Some(recovered)) if recovered.left.is_empty() => {
            tell(&Notice::Note("the last run died before it put the host back; that is done now".into()));
        }
        Ok(Some(recovered)) => {
            let what = "the last run died, and what it changed could not all be put back";
            return Outcome { unrestored: recovered.left, ..Outcome::of(failure(Stage::Host, what)) };
        }
        Err(error) => return Outcome::of(failure(Stage::Folder, sentence(&error))),
    }
    let outcome = match begun(order, &instance) {
        Ok((run, mut inputs)) => {
            let run_tell = |notice: &Notice| {
                run.desk.chronicle.note(notice);
                tell(notice);
            };
            Box::pin(lived(&run, &mut inputs, &run_tell)).await
        }
        Err(what) => Outcome::of(failure(Stage::Folder, what)),
    };
    let owed = !outcome.unrestored.is_empty() || matches!(outcome.ended, Ended::Left { .. });
    if !owed && let Err(error) = instance.release() {
        tell(&Notice::Warning(sentence(&error)));
    }
    outcome
}

/// The life itself: prepare, boot, watch, put back.
async fn lived(run: &Run<'_>, inputs: &mut Inputs, tell: Tell<'_>) -> Outcome {
    let Order { plan, root, boot_id, .. } = &run.order;
    let lease = Lease::new(root.clone(), run.instance.dir(), plan.name.clone(), boot_id.clone());
    let mut scene = scene(&run.order);
    let note = |name: &str, process| noted(&lease, run, tell, (name, process));
    let mut companions = Companions::new(&plan.services, scene.clone(), tell, &note);
    let failed = RefCell::default();
    let hands = Hands { plan, lease: &lease, failed: &failed, tell };
    let ended = Box::pin(live(hands, run, &mut companions, &mut scene, inputs)).await;
    finished(hands, run, companions, scene, inputs, ended).await
}

/// Takes note of a companion's process, for the journal and for who asks.
pub(super) fn noted(
    lease: &Lease,
    run: &Run<'_>,
    tell: Tell<'_>,
    (name, process): (&str, Option<crate::process::ProcessId>),
) {
    run.desk.companion(name, process);
    if let Err(error) = lease.note_companion(name, process) {
        tell(&Notice::Warning(sentence(&error)));
    }
}

/// From a QEMU that is gone, or left, to the outcome.
pub(super) async fn finished(
    hands: Hands<'_>,
    run: &Run<'_>,
    mut companions: Companions<'_>,
    mut scene: Scene,
    inputs: &mut Inputs,
    ended: Ended,
) -> Outcome {
    if let Ended::Left { .. } = ended {
        companions.leave();
        return Outcome::of(ended);
    }
    run.desk.gone();
    run.desk.enter("undoing", hands.tell);
    // The claims of a guest that was taken over went with its QEMU. Of those that others have, the undo tells.
    let _ = hands.lease.claim_devices(&hands.plan.devices);
    let mut state = State::Undoing;
    let undoing = put_back(hands, &mut companions, &mut scene, &ended);
    let outcome = match inputs.meanwhile(&mut state, hands.tell, undoing).await {
        Ok(unrestored) => Outcome { unrestored, failed_hooks: hands.failed.take(), ..Outcome::of(ended) },
        Err(_) => Outcome::of(Ended::Left { qemu: None }),
    };
    (hands.tell)(&Notice::Ended(outcome.ended.clone()));
    run.desk.all_answered().await;
    run.desk.chronicle.close().await;
    Outcome { raise: inputs.raise(), ..outcome }
}

/// From an untouched host to a QEMU that is gone.
async fn live(
    hands: Hands<'_>,
    run: &Run<'_>,
    companions: &mut Companions<'_>,
    scene: &mut Scene,
    inputs: &mut Inputs,
) -> Ended {
    let first = first(hands, run, companions, scene, inputs).await;
    prune(&run.order.log_dir);
    match first {
        Ok((hands, started)) => lived_out(hands, run, (started, Arrived::First), companions, scene, inputs).await,
        Err(ended) => ended,
    }
}

/// From an untouched host to a guest that runs, and the plan that it came to.
async fn first<'a>(
    hands: Hands<'a>,
    run: &Run<'_>,
    companions: &mut Companions<'_>,
    scene: &mut Scene,
    inputs: &mut Inputs,
) -> Result<(Hands<'a>, (Guest, State)), Ended> {
    let began = Instant::now();
    let mut state = State::Preparing;
    let plan = match inputs.meanwhile(&mut state, hands.tell, prepare(hands, companions, scene)).await {
        Ok(Ok(plan)) => plan,
        given_up => return Err(not_started(given_up.map(|prepared| prepared.map(drop)))),
    };
    let hands = Hands { plan, ..hands };
    state = state.on(Event::HostReady).0;
    let started = started(hands, run, (Turn::First, state), companions, scene, inputs).await?;
    (hands.tell)(&Notice::stage("guest running", began.elapsed()));
    Ok((hands, started))
}

/// A guest that runs.
async fn started(
    hands: Hands<'_>,
    run: &Run<'_>,
    (turn, mut state): (Turn, State),
    companions: &mut Companions<'_>,
    scene: &mut Scene,
    inputs: &mut Inputs,
) -> Result<(Guest, State), Ended> {
    run.desk.enter("booting", hands.tell);
    // Dropped before it is done, it leaves no QEMU: nothing of the guest has run.
    let booting = async {
        if turn == Turn::Again {
            companions.renew().await.map_err(|failed| lost(&failed))?;
        }
        beside(companions, boot(hands, run, turn, scene)).await
    };
    match Box::pin(inputs.meanwhile(&mut state, hands.tell, booting)).await {
        Ok(Ok(guest)) => {
            companions.set_scene(scene.clone());
            Ok((guest, state.on(Event::GuestRuns).0))
        }
        given_up => {
            // Let go of before its guest ran, it was killed; the kernel may still be taking it apart.
            hands.lease.qemu_gone().await;
            Err(not_started(given_up.map(|booted| booted.map(drop))))
        }
    }
}

/// Watches a guest that runs to its end, and starts it anew as often as it reboots, if its profile wants that.
pub(super) async fn lived_out(
    hands: Hands<'_>,
    run: &Run<'_>,
    (mut guest, mut arrived): ((Guest, State), Arrived),
    companions: &mut Companions<'_>,
    scene: &mut Scene,
    inputs: &mut Inputs,
) -> Ended {
    let mut reboots = Reboots::default();
    loop {
        match watch(guest, (hands, run, arrived), companions, scene, (inputs, &mut reboots)).await {
            Left::Ended(ended) => return ended,
            Left::Restart => (hands.tell)(&Notice::Note("QEMU is started anew".into())),
        }
        run.desk.gone();
        // Those of a guest that was taken over went with its QEMU.
        if let Err(error) = hands.lease.claim_devices(&hands.plan.devices) {
            return Ended::Failed(not_claimed_devices(&error));
        }
        if let Err(failure) = hot::as_planned(hands).await {
            return Ended::Failed(failure);
        }
        guest = match started(hands, run, (Turn::Again, State::Booting), companions, scene, inputs).await {
            Ok(started) => started,
            Err(ended) => return ended,
        };
        arrived = Arrived::Again;
    }
}

fn not_started(result: Result<Result<(), Failure>, Action>) -> Ended {
    match result {
        Ok(Err(failure)) => Ended::Failed(failure),
        Err(Action::Leave) => Ended::Left { qemu: None },
        Ok(Ok(())) | Err(_) => Ended::Cancelled,
    }
}

fn not_claimed(name: &str, error: &ApplyError) -> Ended {
    match error {
        ApplyError::Busy(why) => failure(
            Stage::Busy,
            format!(
                "{name} cannot be started: {why}; see it with `vmrun status {name}`, end it with `vmrun stop {name}`"
            ),
        ),
        // Of a user without a session, who has no home to write to either.
        ApplyError::Io { doing: "make", source, .. } if source.kind() == io::ErrorKind::PermissionDenied => failure(
            Stage::Folder,
            format!("{}; set XDG_RUNTIME_DIR or VMRUN_RUNTIME_DIR to a folder of yours", sentence(error)),
        ),
        ApplyError::Orphan
        | ApplyError::Untrusted { .. }
        | ApplyError::Refused(_)
        | ApplyError::Stuck(_)
        | ApplyError::Io { .. } => failure(Stage::Folder, sentence(error)),
    }
}

pub(super) fn failure(stage: Stage, what: impl Into<String>) -> Ended {
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
