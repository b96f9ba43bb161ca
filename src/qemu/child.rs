//! The process of QEMU: made, signalled, waited for.

use super::QemuError;
use super::environment::{anybodys, display, inherited};
use super::limits::Limits;
use super::log_tail::Log;
use super::mask::Mask;
use super::person::{Person, gain_nothing};
use crate::host::Root;
use crate::plan::{FIRST_DESCRIPTOR, Plan};
use crate::process::{Identity, ProcessId, as_any_process, session, watched};
use nix::errno::Errno;
use nix::libc;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::{ExitStatus, Stdio};
use std::time::SystemTime;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};

/// A QEMU that was executed. Until it is [released](Self::release) it is killed when dropped: its guest has not run.
#[derive(Debug)]
pub(super) struct Process {
    kin: Kin,
    pid: u32,
    pidfd: OwnedFd,
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
        let kin = Kin::Stranger(watched(pidfd.try_clone()?)?);
        Ok(Some(Self { kin, pid: id.pid, pidfd, log: Log::whole(log), disposable: false }))
    }

    /// Executes the emulator of `plan`. Its inherited descriptors are `passed`, in this order; `locks` come after them.
    pub(super) fn start(plan: &Plan, log: File, passed: &[OwnedFd], locks: &[OwnedFd]) -> Result<Self, QemuError> {
        let log = Log::from_here(log);
        let failed = |source| QemuError::Start { path: plan.emulator.path.clone(), source };
        let person = plan.user.as_ref().map(Person::find).transpose()?;
        let share = plan.share.as_deref().map(members).transpose()?;
        let mut child =
            command(plan, log.file(), (passed, locks), (person, share)).and_then(Prepared::spawn).map_err(failed)?;
        let (pid, pidfd) = match identify(&child) {
            Ok(identity) => identity,
            Err(source) => {
                let _ = child.start_kill();
                return Err(failed(source));
            }
        };
        tracing::info!(pid, path = %plan.emulator.path.display(), "QEMU executed");
        Ok(Self { kin: Kin::Child(child), pid, pidfd, log, disposable: true })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
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
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
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

fn identify(child: &Child) -> io::Result<(u32, OwnedFd)> {
    let gone = || io::Error::other("it ended at once");
    let pid = child.id().ok_or_else(gone)?;
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    // The child is not waited for yet, so the number is still its own.
    Ok((pid, pidfd_open(raw, PidfdFlags::empty())?))
}

/// The command and what keeps its descriptors alive until it was executed.
struct Prepared {
    command: Command,
    _high: Vec<OwnedFd>,
    _low: Vec<File>,
}

impl Prepared {
    fn spawn(mut self) -> io::Result<Child> {
        self.command.spawn()
    }
}

fn command(
    plan: &Plan,
    log: &File,
    (passed, locks): (&[OwnedFd], &[OwnedFd]),
    (person, share): (Option<Person>, Option<File>),
) -> io::Result<Prepared> {
    let mut command = Command::new(&plan.emulator.path);
    command.args(plan.words_at(SystemTime::now()));
    command.env_clear();
    match &person {
        Some(person) => command.envs(anybodys(std::env::vars_os())).envs(&person.env),
        None => command.envs(inherited(std::env::vars_os())).envs(their_display(plan.session.as_deref())),
    };
    command.envs(&plan.env);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);

    let first = RawFd::try_from(FIRST_DESCRIPTOR).map_err(io::Error::other)?;
    let count = RawFd::try_from(passed.len() + locks.len()).map_err(io::Error::other)?;
    let end = first + count;
    let low = occupy(end)?;
    let high = passed.iter().chain(locks).map(|fd| duplicate(fd, end)).collect::<io::Result<Vec<_>>>()?;
    let moves = high.iter().zip(first..).map(|(from, to)| (from.as_raw_fd(), to)).collect::<Vec<_>>();
    let emulator = plan.pins.emulator.as_ref().map(Mask::of);
    let limits = Limits::of(plan);
    let alone = plan.pins.core_scheduling;
    // SAFETY: the closure runs in the child between fork and exec and makes system calls only; it does not allocate,
    // lock or panic. What it needs was computed before.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(move || become_qemu(&moves, end, limits, (emulator, alone, share.as_ref()), person.as_ref()));
    }
    Ok(Prepared { command, _high: high, _low: low })
}

/// The display of the session of `login`, for whom root runs QEMU.
fn their_display(login: Option<&str>) -> Vec<(&'static str, OsString)> {
    // An account that is gone has no session.
    let Some(identity) = login.and_then(|login| Identity::of(login).ok()) else { return Vec::new() };
    let ours = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    display(ours, &session(&identity, &Root::default()))
}

/// Opens files until the numbers below `end` are taken, so that the pipe by which the standard library hears of a
/// failed exec does not get a number that is about to be QEMU's.
fn occupy(end: RawFd) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    loop {
        let file = File::open("/dev/null")?;
        if file.as_raw_fd() >= end {
            return Ok(files);
        }
        files.push(file);
    }
}

/// The same open file under a number of at least `least`, closed on exec.
fn duplicate(fd: &OwnedFd, least: RawFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, least)?)
}

fn become_qemu(
    moves: &[(RawFd, RawFd)],
    end: RawFd,
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
    for &(from, to) in moves {
        place(from, to)?;
    }
    close_the_rest_on_exec(end);
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

fn place(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: both are plain numbers to the kernel; `to` belongs to nobody in this process, which is about to be QEMU.
    #[allow(unsafe_code)]
    let status = unsafe { libc::dup2(from, to) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Descriptors that vmrun itself inherited, from a careless shell say, may lack the mark.
fn close_the_rest_on_exec(first: RawFd) {
    // SAFETY: marks descriptors only. A kernel before 5.11 knows no such call or flag; then those vmrun opened itself
    // have the mark all the same.
    #[allow(unsafe_code)]
    unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}
