//! The process of QEMU: made, signalled, waited for.

use super::QemuError;
use super::environment::{anybodys, display, inherited};
use super::limits::Limits;
use super::log_tail::Log;
use super::mask::Mask;
use super::person::{Person, gain_nothing};
use crate::host::Root;
use crate::plan::Plan;
use crate::process::{
    BrokenPipe, Child, Identity, Image, NotSpawned, ProcessError, ProcessId, as_any_process, session, spawn, watched,
};
use nix::errno::Errno;
use nix::libc;
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::time::SystemTime;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A QEMU that was executed. Until it is [released](Self::release) it is killed when dropped: its guest has not run.
#[derive(Debug)]
pub(super) struct Process {
    kin: Kin,
    pid: u32,
    log: Log,
    disposable: bool,
}

/// Whose child it is.
#[derive(Debug)]
enum Kin {
    /// Ours: its status will be told.
    Child(Child),
    /// An earlier vmrun's: only that it ended will be seen.
    Stranger(AsyncFd<OwnedFd>),
}

impl Process {
    /// The process `id`, which an earlier vmrun executed; its output goes to the end of `log`. `None` when it is gone.
    pub(super) fn adopt(id: ProcessId, log: File) -> io::Result<Option<Self>> {
        let Some(pidfd) = id.open() else { return Ok(None) };
        Ok(Some(Self { kin: Kin::Stranger(watched(pidfd)?), pid: id.pid, log: Log::whole(log), disposable: false }))
    }

    /// Executes the emulator of `plan`. Its inherited descriptors are `passed`, in this order; `locks` come after them.
    pub(super) fn start(plan: &Plan, log: File, passed: &[OwnedFd], locks: &[OwnedFd]) -> Result<Self, QemuError> {
        let log = Log::from_here(log);
        let failed = |source| QemuError::Start { path: plan.emulator.path.clone(), source };
        let person = plan.user.as_ref().map(Person::find).transpose()?;
        let share = plan.share.as_deref().map(members).transpose()?;
        let image = image(plan, person.as_ref()).map_err(|error| failed(io::Error::other(error.whole())))?;
        let null = File::open("/dev/null").map_err(failed)?;
        let standard = [null.as_fd(), log.file().as_fd(), log.file().as_fd()];
        let descriptors: Vec<_> = standard.into_iter().chain(passed.iter().chain(locks).map(AsFd::as_fd)).collect();
        let (limits, alone) = (Limits::of(plan), plan.pins.core_scheduling);
        let emulator = plan.pins.emulator.as_ref().map(Mask::of);
        let become_it = || become_qemu(limits, (emulator, alone, share.as_ref()), person.as_ref());
        // SAFETY: it makes system calls only; it does not allocate, lock or panic. What it needs was computed before.
        #[allow(unsafe_code)]
        let child =
            unsafe { spawn(&image, &descriptors, BrokenPipe::Kills, become_it) }.map_err(|fault| match fault {
                NotSpawned::Made(source) | NotSpawned::Prepared(source) | NotSpawned::Executed(source) => {
                    failed(source)
                }
            })?;
        let pid = child.pid();
        tracing::info!(pid, path = %plan.emulator.path.display(), "QEMU executed");
        Ok(Self { kin: Kin::Child(child), pid, log, disposable: true })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        match &self.kin {
            Kin::Child(child) => child.as_fd(),
            Kin::Stranger(pidfd) => pidfd.get_ref().as_fd(),
        }
    }

    pub(super) fn log_tail(&self) -> Vec<String> {
        self.log.tail()
    }

    /// From now on the guest outlives this value.
    pub(super) fn release(&mut self) {
        self.disposable = false;
    }

    /// Waits for its end; may be dropped and called again, also after the end. `None` when nobody could see how.
    pub(super) async fn wait(&mut self) -> Result<Option<ExitStatus>, QemuError> {
        let ended = match &mut self.kin {
            Kin::Child(child) => child.wait().await.map(Some),
            Kin::Stranger(pidfd) => pidfd.ready(Interest::READABLE).await.map(|_| None),
        };
        ended.map_err(|source| QemuError::Process { doing: "wait for", pid: self.pid, source })
    }

    /// Sends SIGKILL. A QEMU that is gone already is no failure.
    pub(super) fn kill(&self) -> Result<(), QemuError> {
        match pidfd_send_signal(self.pidfd(), Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(QemuError::Process { doing: "kill", pid: self.pid, source: error.into() }),
        }
    }

    /// What is to be said when QEMU ended too early.
    pub(super) fn died(&self, status: Option<ExitStatus>) -> QemuError {
        QemuError::Died { status, log: self.log.tail() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.disposable {
            // Nobody is left to hear of a failure.
            let _ = self.kill();
        }
    }
}

/// The emulator of `plan` with its words and its variables.
fn image(plan: &Plan, person: Option<&Person>) -> Result<Image, ProcessError> {
    let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
    match person {
        Some(person) => {
            env.extend(anybodys(std::env::vars_os()));
            env.extend(person.env.iter().map(|(name, value)| (name.into(), value.clone())));
        }
        None => {
            env.extend(inherited(std::env::vars_os()));
            env.extend(their_display(plan.session.as_deref()).into_iter().map(|(name, value)| (name.into(), value)));
        }
    }
    env.extend(plan.env.iter().map(|(name, value)| (name.into(), value.into())));
    let path = plan.emulator.path.to_string_lossy().into_owned();
    Image::new(&std::iter::once(path).chain(plan.words_at(SystemTime::now())).collect::<Vec<_>>(), &env)
}

/// The display of the session of `login`, for whom root runs QEMU.
fn their_display(login: Option<&str>) -> Vec<(&'static str, OsString)> {
    // An account that is gone has no session.
    let Some(identity) = login.and_then(|login| Identity::of(login).ok()) else { return Vec::new() };
    let ours = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    display(ours, &session(&identity, &Root::default()))
}

/// Runs in the child.
fn become_qemu(
    limits: Limits,
    (emulator, alone, share): (Option<Mask>, bool, Option<&File>),
    person: Option<&Person>,
) -> io::Result<()> {
    limits.apply()?;
    // Its own session: a terminal's Ctrl-C goes to the whole group, and QEMU takes it for a pulled plug.
    rustix::process::setsid()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // The guest's memory is what the kernel would want back.
    as_any_process();
    if let Some(mask) = emulator {
        // What is not there now is judged when the threads are placed, with what the guest may do without.
        mask.apply(0).or_else(|errno| if errno == Errno::EINVAL { Ok(()) } else { Err(errno) })?;
    }
    if alone {
        keep_strangers_off()?;
    }
    if let Some(members) = share {
        // Whoever writes; all threads that it makes are in the group too.
        rustix::io::write(members, b"0")?;
    }
    // All that takes a right is done.
    if let Some(person) = person {
        person.become_it()?;
    }
    gain_nothing()
}

/// The members of a group with a share of caches and bandwidth. Linux: `Documentation/filesystems/resctrl.rst`.
fn members(group: &str) -> Result<File, QemuError> {
    let what = format!("{group}/tasks");
    File::options().write(true).open(&what).map_err(|source| QemuError::Descriptor { what, source })
}

/// A core scheduling cookie of its own, which all threads that it makes inherit: who has another does not run on a core's
/// sibling threads beside it. Linux: `Documentation/admin-guide/hw-vuln/core-scheduling.rst`.
fn keep_strangers_off() -> io::Result<()> {
    // SAFETY: plain numbers; the kernel writes nowhere.
    #[allow(unsafe_code)]
    let status = unsafe {
        libc::prctl(
            libc::PR_SCHED_CORE,
            libc::c_ulong::from(libc::PR_SCHED_CORE_CREATE.unsigned_abs()),
            0 as libc::c_ulong,
            libc::c_ulong::from(libc::PR_SCHED_CORE_SCOPE_THREAD.unsigned_abs()),
            0 as libc::c_ulong,
        )
    };
    match io::Error::last_os_error() {
        _ if status >= 0 => Ok(()),
        // No core has a second thread now, so nobody is beside it.
        error if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        error => Err(error),
    }
}
