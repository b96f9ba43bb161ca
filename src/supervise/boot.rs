//! From a host that is ready to a guest that runs with every thread in its place.

use super::prepare::{Hands, failure, hooks_at};
use super::run::sentence;
use super::{Failure, Notice, Placed, Scene, Stage};
use crate::apply::Instance;
use crate::plan::Point;
use crate::process::ProcessId;
use crate::qemu::{Guest, Paused, Pinned, QemuError, Thread, qmp_socket, spawn};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

/// Starts QEMU paused, places its threads, runs the hooks at `started`, lets the guest run.
///
/// Dropped before it is done, it leaves no QEMU: one whose guest has not run is killed.
pub(super) async fn boot(
    hands: Hands<'_>,
    instance: &Instance,
    log_dir: &Path,
    scene: &mut Scene,
) -> Result<Guest, Failure> {
    let Hands { plan, lease, tell, .. } = hands;
    let began = Instant::now();
    let log = open_log(log_dir)
        .map_err(|error| failure(Stage::Folder, format!("cannot write {}: {error}", log_dir.display()), Vec::new()))?;
    let alive = instance.alive().map_err(|error| failure(Stage::Folder, sentence(&error), Vec::new()))?;
    let mut booting = spawn(plan, log, vec![alive]).map_err(qemu_failure)?;
    lease
        .note_qemu(ProcessId::of(booting.pid()))
        .map_err(|error| failure(Stage::Folder, sentence(&error), Vec::new()))?;
    scene.pid = Some(booting.pid());
    scene.qmp = Some(qmp_socket(&plan.run_dir));
    let told = booting.told().await.map_err(qemu_failure)?;
    // QEMU has mapped its memory by now, so the pages are the kernel's to count.
    lease.pages_taken().await.map_err(|error| failure(Stage::Host, sentence(&error), Vec::new()))?;
    tell(&Notice::stage("qemu answers", began.elapsed()));

    let began = Instant::now();
    let paused = booting.pin(&plan.pins, &told).await.map_err(qemu_failure)?;
    tell(&Notice::Pinned { threads: placed(&paused), took: began.elapsed() });
    hooks_at(Point::Started, hands, scene).await?;
    paused.cont().await.map_err(qemu_failure)
}

fn placed(paused: &Paused) -> Vec<Placed> {
    let place = |Pinned { tid, what, cpus, sched, name }: &Pinned| {
        let what = match what {
            Thread::Vcpu(index) => format!("vCPU {index}"),
            Thread::Iothread(id) => format!("iothread {id}"),
            Thread::Vhost => "vhost worker".to_owned(),
            Thread::Emulator => format!("emulator ({name})"),
        };
        Placed { tid: *tid, what, cpus: cpus.clone(), sched: *sched }
    };
    paused.threads().iter().map(place).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn qemu_failure(error: QemuError) -> Failure {
    let log = match &error {
        QemuError::Died { log, .. } => log.clone(),
        _ => Vec::new(),
    };
    failure(Stage::Qemu, sentence(&error), log)
}

/// The log of this run; the one of the run before is kept beside it.
fn open_log(dir: &Path) -> io::Result<File> {
    let path = dir.join("qemu.log");
    match std::fs::rename(&path, dir.join("qemu.log.1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}
