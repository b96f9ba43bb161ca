//! A command that runs.

use super::child::Child;
use super::end::End;
use super::kept::Kept;
use super::output::Output;
use super::stat::{self, ProcessId};
use super::watched::watched;
use super::{ProcessError, stop};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

/// How long output is waited for after the command ended: a daemon that it left may hold the pipe for ever.
const DRAIN: Duration = Duration::from_secs(1);

/// A running command, the leader of a session and so of a process group. Dropped before it was reaped, its group gets
/// SIGKILL.
pub struct Running {
    whose: Whose,
    id: ProcessId,
    uid: u32,
    output: Output,
    drain_until: Option<Instant>,
    reaped: bool,
}

/// Who made it.
enum Whose {
    Ours(Child),
    /// An earlier vmrun; its pidfd.
    Anothers(AsyncFd<OwnedFd>),
}

impl Running {
    pub(super) fn new(child: Child, uid: u32, output: Output) -> Result<Self, ProcessError> {
        let pid = child.pid();
        // It is not reaped, so that it has its entry in /proc, be it a zombie's.
        let Some(id) = ProcessId::of(pid) else {
            stop::signal_group(group_of(pid), Signal::SIGKILL);
            return Err(ProcessError::refused(format!("/proc/{pid}/stat cannot be read; is /proc mounted?")));
        };
        Ok(Self { whose: Whose::Ours(child), id, uid, output, drain_until: None, reaped: false })
    }

    /// The command `id`, which an earlier vmrun started and which leads its group; `None` when it has ended. What it
    /// prints from now on nobody reads, and how it ends nobody will see.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    #[must_use]
    pub fn adopt(id: ProcessId) -> Option<Self> {
        if !id.is_alive() {
            return None;
        }
        let uid = stat::owner(id.pid)?;
        let pidfd = watched(id.open()?).ok()?;
        Some(Self {
            whose: Whose::Anothers(pidfd),
            id,
            uid,
            output: Output::closed(),
            drain_until: None,
            reaped: false,
        })
    }

    /// The process, for the record.
    #[must_use]
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// User id that it was started with.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether process `pid` belongs to its group; `None` when there is no such process any more.
    #[must_use]
    pub fn has_member(&self, pid: u32) -> Option<bool> {
        stat::read(&stat::path(pid)).map(|stat| stat.group == self.group().as_raw())
    }

    /// What is kept of its output.
    #[must_use]
    pub fn kept(&self) -> &Kept {
        self.output.kept()
    }

    /// Hands its lines to `each` until it has ended. Its group is not looked at, and it is not reaped: until
    /// [`Self::reap`], its number, and its group's, cannot be another's.
    ///
    /// Cancel-safe; resolves again once it has.
    pub async fn ended(&mut self, each: &mut dyn FnMut(&str)) {
        let Self { whose, output, .. } = self;
        let pidfd = match whose {
            Whose::Ours(child) => child.watched(),
            Whose::Anothers(pidfd) => pidfd,
        };
        tokio::select! {
            biased;
            () = stop::ended(pidfd) => {}
            () = read_on(output, each) => {}
        }
    }

    /// SIGKILL for what a command that has ended left in its group.
    pub fn kill_group(&self) {
        // The number of a child that was not waited for is its own; any other's may be given out again once it has ended.
        if !self.reaped && (matches!(self.whose, Whose::Ours(_)) || self.id.is_alive()) {
            stop::signal_group(self.group(), Signal::SIGKILL);
        }
    }

    /// Hands out what is left in the pipe, for a second at most, then closes it. Cancel-safe.
    pub async fn drain(&mut self, each: &mut dyn FnMut(&str)) {
        let until = *self.drain_until.get_or_insert_with(|| Instant::now() + DRAIN);
        // What is there is read whatever the time, so the time is looked at too: a flood is always there.
        while self.output.is_open() && Instant::now() < until && timeout_at(until, self.output.read(each)).await.is_ok()
        {
            yield_now().await;
        }
        self.output.close(each);
    }

    /// How it ended; [`End::Stuck`] when it has not.
    pub fn reap(&mut self) -> End {
        let Whose::Ours(child) = &mut self.whose else { return self.unseen() };
        match child.try_wait() {
            Ok(Some(status)) => {
                self.reaped = true;
                status.into()
            }
            Ok(None) | Err(_) => End::Stuck,
        }
    }

    fn unseen(&mut self) -> End {
        if self.id.is_alive() {
            return End::Stuck;
        }
        self.reaped = true;
        End::Unseen
    }

    /// Ends it and its group: SIGTERM, `grace`, SIGKILL; resolves when all of it has ended. Its output is read
    /// meanwhile, so that it cannot hang on a full pipe.
    pub async fn stop(&mut self, grace: Duration, each: &mut dyn FnMut(&str)) -> End {
        if matches!(self.whose, Whose::Anothers(_)) {
            self.reaped = true;
            self.id.stop_recorded(grace).await;
            return End::Unseen;
        }
        let group = self.group();
        tokio::select! {
            biased;
            () = stop::end_group(group, grace) => {}
            () = read_on(&mut self.output, each) => {}
        }
        self.drain(each).await;
        self.reap()
    }

    /// Lets go of it: it runs on, and nobody reads what it prints. For a vmrun that is about to leave.
    pub fn leave(self) {
        // Dropped, it would be killed.
        std::mem::forget(self);
    }

    fn group(&self) -> Pid {
        group_of(self.id.pid)
    }
}

/// The group that process `pid` leads.
fn group_of(pid: u32) -> Pid {
    // A pid is positive and below 2^22; `proc_sys_kernel(5)`, pid_max.
    Pid::from_raw(pid.cast_signed())
}

impl Drop for Running {
    fn drop(&mut self) {
        // The leader itself is waited for in the background.
        self.kill_group();
    }
}

/// Reads for ever. After each piece the others have their turn, so that a flood starves nobody in the same task.
async fn read_on(output: &mut Output, each: &mut dyn FnMut(&str)) {
    while output.read(each).await {
        yield_now().await;
    }
    std::future::pending::<()>().await;
}
