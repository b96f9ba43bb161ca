//! A vmrun takes the place of one that was killed while the guest ran.

use super::boot::placed;
use super::host_cpus::{HostCpus, switched_off};
use super::inputs::Inputs;
use super::opening::{desk, opened, scene};
use super::prepare::Hands;
use super::relay::qmp_user_socket;
use super::run::{Order, Run, failure, finished, lived_out, noted, sentence};
use super::run_folder::qemu_log;
use super::state_file::{Reached, RunState, StateFile};
use super::watch::Arrived;
use super::{Companions, Ended, Notice, Outcome, Scene, Stage, State, Tell, notify};
use crate::apply::{ApplyError, CLOSING, Instance, Lease, Standing, gone, standing};
use crate::host::Root;
use crate::plan::{Descriptor, Start};
use crate::process::ProcessId;
use crate::qemu::{Guest, Qmp, qmp_socket};
use serde_json::json;
use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;
use tokio::time::timeout;

/// How long a QEMU whose guest has not run may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long one may take to answer that was executed just now.
const UNBORN: Duration = Duration::from_secs(30);

/// Takes over the guest that runs in the run folder `dir` without its vmrun, and stays with it to its end, as
/// [`super::run`] does. `boot_id` is that of the machine now.
pub async fn attach(dir: &Path, root: Root, boot_id: &str, tell: Tell<'_>) -> Outcome {
    let set = LocalSet::new();
    set.spawn_local(notify::watchdog());
    set.run_until(Box::pin(adopted(dir, root, boot_id, tell))).await
}

/// Ends a QEMU whose vmrun was killed before the guest ran its first instruction: there is nothing in it to be lost, and
/// it would wait for ever. Whether there was one.
pub async fn clear_unborn(dir: &Path) -> bool {
    if standing(dir) != Standing::Orphan {
        return false;
    }
    match StateFile::load(dir).map(|file| file.and_then(|file| file.state())) {
        Ok(Some(RunState { reached: Reached::Spawned, qemu, .. })) => qemu.stop_recorded(GRACE).await,
        // Its vmrun was killed in the moment between.
        Ok(None) => quit_unborn(dir).await.is_some(),
        Ok(Some(_)) | Err(_) => false,
    }
}

/// Asks a QEMU that nobody has written down to end, if its guest has not run; `None` when that was not to be done.
async fn quit_unborn(dir: &Path) -> Option<()> {
    let (qmp, _events) = Qmp::connect(&qmp_socket(dir)).await.ok()?;
    let asked = async {
        qmp.raw("qmp_capabilities", &json!({})).await.ok()?;
        let status = qmp.raw("query-status", &json!({})).await.ok()?;
        if status["status"] != "prelaunch" {
            return None;
        }
        // QEMU tells no number of its own, and the socket has that of the vmrun that made it.
        let vcpus = qmp.raw("query-cpus-fast", &json!({})).await.ok()?;
        let thread = vcpus[0]["thread-id"].as_u64().and_then(|tid| u32::try_from(tid).ok());
        let process = thread.and_then(ProcessId::of_thread);
        // It may be gone before it has answered.
        let _ = qmp.raw("quit", &json!({})).await;
        Some(process)
    };
    // As long as a QEMU may take that has just been executed.
    let process = timeout(UNBORN, asked).await.ok().flatten()?;
    timeout(GRACE, gone(dir)).await.ok()?;
    // It lets go of its lock before its card, and of the memory that the card could write to.
    if let Some(process) = process {
        process.ended_within(CLOSING).await;
    }
    Some(())
}

pub(super) async fn adopted(dir: &Path, root: Root, boot_id: &str, tell: Tell<'_>) -> Outcome {
    let refused = |error: &dyn Error| Outcome::of(failure(Stage::Folder, sentence(error)));
    let instance = match Instance::adopt(dir) {
        Ok(instance) => instance,
        Err(ApplyError::Busy(why)) => {
            let name = dir.file_name().unwrap_or_default().to_string_lossy();
            let what = format!("{name} cannot be taken over: {why}; see it with `vmrun status {name}`");
            return Outcome::of(failure(Stage::Busy, what));
        }
        Err(error) => return refused(&error),
    };
    let lease = match Lease::resume(root.clone(), dir, boot_id).await {
        Ok(lease) => lease,
        Err(error) => return refused(&error),
    };
    let state = match StateFile::load(dir) {
        Ok(Some(state)) => state,
        Ok(None) => {
            let what = format!("there is no state.json in {}; only an end of the guest is left", dir.display());
            return Outcome::of(failure(Stage::Folder, what));
        }
        Err(error) => return refused(&error),
    };
    let begun = state.state().ok_or_else(|| "its state.json is empty".to_owned()).and_then(|known| {
        let order = order(&known, root, boot_id).map_err(|error| sentence(&error))?;
        let (desk, cpus) = (desk(&order, known.since)?, HostCpus::watch(&order.plan.pins));
        Ok((opened(Run { order, instance: &instance, state, desk, since: known.since, cpus })?, known))
    });
    match begun {
        Ok(((run, mut inputs), known)) => {
            let run_tell = |notice: &Notice| {
                run.desk.chronicle.note(notice);
                tell(notice);
            };
            let outcome = Box::pin(lived_on(&run, &known, &lease, &mut inputs, &run_tell)).await;
            release(instance, &outcome, tell);
            outcome
        }
        Err(what) => Outcome::of(failure(Stage::Folder, what)),
    }
}

fn order(known: &RunState, root: Root, boot_id: &str) -> io::Result<Order> {
    let RunState { folder, log_dir, .. } = known;
    Ok(Order {
        plan: known.plan()?,
        root,
        boot_id: boot_id.to_owned(),
        log_dir: log_dir.clone(),
        folder: folder.clone(),
        // Hooks that cannot be told the plan can still run.
        plan_json: fs::read(log_dir.join("plan.json")).unwrap_or_default(),
        // Kept with the run already.
        profile_json: Vec::new(),
    })
}

fn release(instance: Instance, outcome: &Outcome, tell: Tell<'_>) {
    let lives_on = match &outcome.ended {
        Ended::Left { .. } => true,
        Ended::Failed(failure) => failure.stage == Stage::Busy,
        _ => !outcome.unrestored.is_empty(),
    };
    if !lives_on && let Err(error) = instance.release() {
        tell(&Notice::Warning(sentence(&error)));
    }
}

/// The rest of the guest's life.
async fn lived_on(run: &Run<'_>, known: &RunState, lease: &Lease, inputs: &mut Inputs, tell: Tell<'_>) -> Outcome {
    let plan = &run.order.plan;
    let began = Instant::now();
    let guest = match taken_over(run, known).await {
        Ok(guest) => guest,
        // The guest is as it was; a later try may do better.
        Err(what) => return Outcome::of(failure(Stage::Busy, format!("{} cannot be taken over: {what}", plan.name))),
    };
    let mut scene = Scene { pid: Some(guest.pid()), qmp: Some(qmp_user_socket(&plan.run_dir)), ..scene(&run.order) };
    let note = |name: &str, process| noted(lease, run, tell, (name, process));
    let mut companions = Companions::new(&plan.services, scene.clone(), tell, &note);
    let failed = RefCell::default();
    let hands = Hands { plan, lease, failed: &failed, tell };
    tell(&Notice::Pinned { threads: placed(&guest), took: began.elapsed() });
    let with = if known.reached == Reached::Accompanied { Start::After } else { Start::Before };
    companions.adopt(&lease.record().companions, with).await;
    tell(&Notice::stage("guest taken over", began.elapsed()));
    let back = ((guest, State::Running), Arrived::Back(known.reached));
    let ended = Box::pin(lived_out(hands, run, back, &mut companions, &mut scene, inputs)).await;
    finished(hands, run, companions, scene, inputs, ended).await
}

async fn taken_over(run: &Run<'_>, known: &RunState) -> Result<Guest, String> {
    let log = qemu_log(&run.order.log_dir).map_err(|error| sentence(&error))?;
    let plan = &run.order.plan;
    let vhost = plan.descriptors.contains(&Descriptor::VhostNet);
    let pins = (&plan.pins, switched_off(&run.order.root));
    let guest = Guest::adopt((known.qemu, log), &plan.run_dir, pins, vhost).await;
    let guest = guest.map_err(|error| sentence(&error))?;
    run.desk.reach(&guest).map_err(|error| sentence(&error))?;
    Ok(guest)
}
