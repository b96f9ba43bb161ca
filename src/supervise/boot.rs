//! From a host that is ready to a guest that runs with every thread in its place.

use super::evdev::for_a_new_qemu;
use super::host_cpus::switched_off;
use super::patience::awaited;
use super::prepare::{Hands, failure, hooks_at};
use super::relay::qmp_user_socket;
use super::run::{Run, sentence};
use super::run_folder::{keep_addresses, kept_clock, qemu_log};
use super::state_file::Reached;
use super::{Failure, Notice, Placed, Scene, Stage};
use crate::apply::enter_room;
use crate::plan::Point;
use crate::process::ProcessId;
use crate::qemu::{Guest, Pinned, QemuError, Thread, spawn};
use crate::unit::CpuSet;
use std::error::Error;
use std::time::Instant;

/// Whether the guest is started for the first time in this run, or cold after a reboot of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    Again,
}

/// Starts QEMU paused, places its threads, runs the hooks at `started`, lets the guest run.
///
/// Dropped before it is done, it leaves no QEMU: one whose guest has not run is killed.
pub(super) async fn boot(hands: Hands<'_>, run: &Run<'_>, turn: Turn, scene: &mut Scene) -> Result<Guest, Failure> {
    let Hands { plan, lease, tell, .. } = hands;
    let began = Instant::now();
    let dir = &run.order.log_dir;
    let unusable = |error: &dyn Error| failure(Stage::Folder, sentence(error), Vec::new());
    let log = qemu_log(dir)
        .map_err(|error| failure(Stage::Folder, format!("cannot write in {}: {error}", dir.display()), Vec::new()))?;
    let alive = run.instance.alive().map_err(|error| unusable(&error))?;
    let mut locks = lease.locks().map_err(|error| unusable(&error))?;
    locks.push(alive);
    // It may have been set since the plan was made: by the same guest, before its reboot.
    let mut now = plan.with_clock(kept_clock(dir));
    if turn == Turn::Again {
        now = for_a_new_qemu(&now, lease.root());
    }
    let mut booting = spawn(&now, log, locks).map_err(qemu_failure)?;
    let id = ProcessId::of(booting.pid());
    lease.note_qemu(id).map_err(|error| unusable(&error))?;
    if let Some(id) = id {
        run.state.spawned(&run.order, plan, (id, run.since)).map_err(|error| unusable(&error))?;
    }
    scene.pid = Some(booting.pid());
    scene.qmp = Some(qmp_user_socket(&plan.run_dir));
    let host = |error| failure(Stage::Host, sentence(&error), Vec::new());
    let entered = match &plan.room {
        Some(room) => Some(enter_room(lease.root(), room, booting.pid()).await.map_err(host)?),
        None => None,
    };
    let pid = booting.pid();
    let told = awaited(tell, || filled(pid), booting.told()).await.map_err(qemu_failure)?;
    // QEMU has mapped its memory by now, so the pages are the kernel's to count.
    lease.pages_taken().await.map_err(host)?;
    tell(&Notice::stage("QEMU answers", began.elapsed()));

    let began = Instant::now();
    if let Some(entered) = entered {
        let vcpus: Vec<_> = told.vcpus.iter().map(|vcpu| vcpu.thread_id).collect();
        let news = entered.seclude(lease.root(), &vcpus).map_err(host)?;
        news.into_iter().for_each(|text| tell(&Notice::Note(text)));
    }
    // What happened before is in the masks that are read now.
    run.cpus.waiting().for_each(drop);
    // A start is planned with what there is; one that ran before is not given up for a host CPU.
    let away = if turn == Turn::First { CpuSet::default() } else { switched_off(lease.root()) };
    let mut paused = booting.pin(&plan.pins, &told, away).await.map_err(qemu_failure)?;
    tell(&Notice::Pinned { threads: placed(&paused), took: began.elapsed() });
    run.desk.reach(&paused).map_err(|error| unusable(&error))?;
    if turn == Turn::First {
        tokio::select! {
            ran = hooks_at(Point::Started, hands, scene) => ran?,
            // How, is told when it shall run.
            _ = paused.wait() => {}
        }
    }
    // The kernel runs threads elsewhere whose host CPU went away meanwhile, and leaves them there when it is back.
    run.cpus.waiting().for_each(|switched| switched.heed(&mut paused, lease.root(), tell));
    // Written before, so that nobody ever ends a guest that runs for one that does not.
    let reached = if turn == Turn::First { Reached::Running } else { Reached::Accompanied };
    run.state.reached(reached).map_err(|error| unusable(&error))?;
    let guest = awaited(tell, || "QEMU to let the guest run".into(), paused.cont()).await.map_err(qemu_failure)?;
    if let Err(error) = keep_addresses(dir, &plan.kept) {
        let what = format!("the guest's PCI addresses cannot be kept for the next start: {}", sentence(&error));
        tell(&Notice::Warning(what));
    }
    Ok(guest)
}

/// QEMU before it answers, and how much memory it has touched: that is what takes long.
fn filled(pid: u32) -> String {
    let memory = ProcessId::of(pid).and_then(ProcessId::memory);
    let has = memory.map_or(String::new(), |memory| format!("; it has {}M of memory by now", memory.bytes() >> 20));
    format!("QEMU to answer{has}")
}

/// Where the threads of a QEMU are.
pub(super) fn placed(guest: &Guest) -> Vec<Placed> {
    let place = |Pinned { tid, what, cpus, sched, name }: &Pinned| {
        let what = match what {
            Thread::Vcpu(index) => format!("vCPU {index}"),
            Thread::Iothread(id) => format!("iothread {id}"),
            Thread::Vhost => "vhost worker".to_owned(),
            Thread::Emulator => format!("emulator ({name})"),
        };
        Placed { tid: *tid, what, cpus: cpus.clone(), sched: *sched }
    };
    guest.threads().iter().map(place).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn qemu_failure(error: QemuError) -> Failure {
    let log = match &error {
        QemuError::Died { log, .. } => log.clone(),
        _ => Vec::new(),
    };
    failure(Stage::Qemu, sentence(&error), log)
}
