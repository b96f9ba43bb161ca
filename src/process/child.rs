//! A process that we made, until it was waited for.

use super::stat;
use super::watched::watched;
use nix::sys::signal::SigHandler::SigDfl;
use nix::sys::signal::Signal::SIGCHLD;
use nix::sys::signal::signal;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

/// A process that we made. Its number is its own until it was waited for. Dropped before that it runs on, and is waited
/// for in the background, so that it leaves no zombie.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    /// Readable when it has ended with all its threads. `None` only while it is dropped.
    pidfd: Option<AsyncFd<OwnedFd>>,
    status: Option<ExitStatus>,
}

impl Child {
    /// The child with the number `pid`, which nobody has waited for.
    ///
    /// # Errors
    /// When it cannot be watched; it has been killed and waited for then.
    pub(super) fn new(pid: Pid) -> io::Result<Self> {
        match stat::open(number(pid)).and_then(watched) {
            Ok(pidfd) => Ok(Self { pid, pidfd: Some(pidfd), status: None }),
            Err(error) => {
                let _killed = kill_process(pid, Signal::KILL);
                let _status = reaped(pid, WaitOptions::empty());
                Err(error)
            }
        }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        number(self.pid)
    }

    /// What becomes readable when it has ended with all its threads.
    ///
    /// # Panics
    /// Never: it is there until the child is dropped.
    #[must_use]
    pub(super) fn watched(&self) -> &AsyncFd<OwnedFd> {
        self.pidfd.as_ref().expect("there until it is dropped")
    }

    /// How it ended; `None` when it has not.
    ///
    /// # Errors
    /// When it is not ours to wait for, as SIGCHLD is ignored; see [`keep_their_ends`].
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = reaped(self.pid, WaitOptions::NOHANG)?;
        }
        Ok(self.status)
    }

    /// Waits for its end. Cancel-safe; tells the same again afterwards.
    ///
    /// # Errors
    /// As [`Self::try_wait`].
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.status {
                return Ok(status);
            }
            // It is not asked for before it is there: whoever waits often, beside something else, would ask each time.
            let mut ready = self.watched().readable().await?;
            let status = reaped(self.pid, WaitOptions::NOHANG)?;
            if status.is_none() {
                ready.clear_ready();
            }
            drop(ready);
            self.status = status;
        }
    }
}

impl AsFd for Child {
    /// Its pidfd.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched().get_ref().as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let (Ok(None), Some(pidfd), Ok(runtime)) = (self.try_wait(), self.pidfd.take(), Handle::try_current()) {
            let pid = self.pid;
            runtime.spawn(async move {
                let _ended = pidfd.readable().await;
                let _status = reaped(pid, WaitOptions::NOHANG);
            });
        }
    }
}

/// Has the kernel keep how our children end until we ask: whoever started vmrun may have had SIGCHLD ignored, and then a
/// guest that powered off could not be told from one that died. `wait(2)`.
#[allow(unsafe_code)]
pub fn keep_their_ends() {
    // SAFETY: the default action of SIGCHLD is to do nothing.
    _ = unsafe { signal(SIGCHLD, SigDfl) };
}

fn reaped(pid: Pid, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
    Ok(waitpid(Some(pid), options)?.map(|(_, status)| ExitStatus::from_raw(status.as_raw())))
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}
