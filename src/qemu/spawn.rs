//! Starts QEMU, paused, with its monitor connected before it runs.

use super::QemuError;
use super::child::Process;
use super::descriptors::{Opened, open};
use super::qmp::Qmp;
use super::start::Booting;
use crate::plan::Plan;
use std::fs::File;
use std::os::fd::OwnedFd;
use tokio::net::UnixStream;

/// Executes the QEMU of `plan`; its arguments must have `-S`.
///
/// It gets a session of its own, an empty standard input, `log` for all it prints, the plan's descriptors under the
/// numbers that [`Draft::pass`](crate::plan::Draft::pass) dealt, `locks` after those (files whose locks shall live
/// exactly as long as QEMU; vmrun's copies are closed here), and the emulator's host CPUs, which all its threads
/// inherit. The folder of the run must be there and belong to nobody else.
///
/// Its monitor is connected and the first commands are on their way before it runs, so nothing is tried again and again.
///
/// # Errors
/// [`QemuError::Descriptor`] and [`QemuError::Start`]; then nothing runs.
///
/// # Panics
/// Outside a tokio runtime.
pub fn spawn(plan: &Plan, log: File, locks: Vec<OwnedFd>) -> Result<Booting, QemuError> {
    let Opened { theirs, qmp, serial } = open(&plan.descriptors, &plan.run_dir)?;
    let (qmp, serial) = (nonblocking(qmp, "the monitor")?, serial.map(|end| nonblocking(end, "the serial port")));
    let (qmp, events) = Qmp::over(qmp);
    let process = Process::start(plan, log, &theirs, &locks)?;
    // From here only QEMU holds the listening end and the locks, so both end with it.
    drop((theirs, locks));
    Ok(Booting::new(process, qmp, events, serial.transpose()?, plan))
}

fn nonblocking(stream: std::os::unix::net::UnixStream, what: &str) -> Result<UnixStream, QemuError> {
    let converted = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
    converted.map_err(|source| QemuError::Descriptor { what: what.to_owned(), source })
}
