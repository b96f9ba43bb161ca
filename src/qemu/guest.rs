//! The phases of a QEMU, each a type: it boots, it is paused with every thread in place, its guest runs.
//!
//! ```text
//! spawn ──▶ Booting ──told──▶ pin ──▶ Paused ──cont──▶ Guest
//!              │                        │                │
//!              └── dropped: killed ─────┘                └── dropped: goes on
//! ```

use super::QemuError;
use super::child::Process;
use super::descriptors::{console_socket, qmp_socket};
use super::pin::{Pinned, Threads, Told};
use super::qmp::{Call, Event, Events, Qmp, QmpError, QueryCpus, QueryIothreads, QueryStatus, Status, read};
use crate::plan::Pins;
use crate::process::ProcessId;
use crate::unit::CpuSet;
use qapi::Command;
use qapi::qmp::{quit, system_powerdown};
use serde_json::json;
use serde_json::value::RawValue;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long a QEMU whose monitor is closed may take to end before it counts as alive; and how long the last events of
/// one that ended may take through the socket.
const ENDING: Duration = Duration::from_secs(5);

/// How long a QEMU that runs may take to answer a new client.
const GREETING: Duration = Duration::from_secs(3);

/// A QEMU whose guest runs, or ran. It goes on when this is dropped.
#[derive(Debug)]
pub struct Guest {
    pub(super) process: Process,
    pub(super) qmp: Qmp,
    pub(super) events: Events,
    pub(super) threads: Option<Threads>,
    pub(super) connected: bool,
    /// Whether it has ended, and how, where that can be seen.
    pub(super) exited: bool,
    pub(super) status: Option<ExitStatus>,
    /// The host's end of the guest's serial port.
    pub serial: Option<UnixStream>,
}

/// Something that came from QEMU.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It said something.
    Event(Event),
    /// Its monitor is gone. It may end in a moment, or go on without.
    Disconnected,
    /// It has ended; all its events came before. Without a status when it was another vmrun's child.
    Exited(Option<ExitStatus>),
}

impl Guest {
    /// Takes over the running QEMU `id`, which an earlier vmrun started with its files in `run_dir`: its monitor, its
    /// serial port, and its threads, which are placed again by `pins`, as far as their host CPUs are not `away`, and read
    /// back. `log` is what it prints to; `vhost` says whether it has vhost workers.
    ///
    /// # Errors
    /// [`QemuError::Gone`], [`QemuError::Silent`] after 3 s, [`QemuError::Pin`], and what the monitor may say.
    pub async fn adopt(
        (id, log): (ProcessId, File),
        run_dir: &Path,
        (pins, away): (&Pins, CpuSet),
        vhost: bool,
    ) -> Result<Self, QemuError> {
        let pid = id.pid;
        let held = Process::adopt(id, log).map_err(|source| QemuError::Process { doing: "watch", pid, source })?;
        let process = held.ok_or(QemuError::Gone { pid })?;
        let (qmp, events) = Qmp::connect(&qmp_socket(run_dir))
            .await
            .map_err(|source| QemuError::Descriptor { what: "its monitor socket".into(), source })?;
        let mut ahead = asked(&qmp);
        let silent = |_| QemuError::Silent { pid };
        let told = tokio::time::timeout(GREETING, all(&mut ahead, &mut Vec::new())).await.map_err(silent)??;
        let threads = Threads::pin(pid, pins, &told, vhost, away)?;
        // Gone with the vmrun that was killed; who is first at the socket now has it.
        let serial = UnixStream::connect(console_socket(run_dir)).await.ok();
        Ok(Self { process, qmp, events, threads: Some(threads), connected: true, exited: false, status: None, serial })
    }

    /// Process id of QEMU.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Descriptor of the process, readable once it has ended; `pidfd_open(2)`.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.process.pidfd()
    }

    /// The monitor, for any command; clones may be kept.
    #[must_use]
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }

    /// The threads and where they are.
    #[must_use]
    pub fn threads(&self) -> &[Pinned] {
        self.threads.as_ref().map_or(&[], Threads::pinned)
    }

    /// Last lines of what QEMU printed in this run.
    #[must_use]
    pub fn log_tail(&self) -> Vec<String> {
        self.process.log_tail()
    }

    /// See [`Threads::place_newcomers`].
    ///
    /// # Errors
    /// [`QemuError::Pin`].
    pub fn place_newcomers(&mut self) -> Result<Vec<Pinned>, QemuError> {
        if self.exited {
            // Somebody else may have its number by now.
            return Ok(Vec::new());
        }
        self.threads.as_mut().map_or_else(|| Ok(Vec::new()), Threads::place_newcomers)
    }

    /// See [`Threads::place_again`].
    ///
    /// # Errors
    /// [`QemuError::Pin`].
    pub fn place_again(&mut self, cpu: Option<u32>) -> Result<Vec<Pinned>, QemuError> {
        if self.exited {
            return Ok(Vec::new());
        }
        self.threads.as_mut().map_or_else(|| Ok(Vec::new()), |threads| threads.place_again(cpu))
    }

    /// Presses the power button. Whether the guest heeds it, an event will tell.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn powerdown(&self) -> Result<(), QmpError> {
        self.qmp.execute(&system_powerdown {}).await.map(drop)
    }

    /// Ends QEMU at once, its images flushed; to the guest that is a pulled plug.
    ///
    /// A monitor that is closed before, or instead of, the reply is no failure: the process tells.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn quit(&self) -> Result<(), QmpError> {
        match self.qmp.execute(&quit {}).await {
            Ok(_) | Err(QmpError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the guest runs.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn status(&self) -> Result<Status, QmpError> {
        self.qmp.execute(&QueryStatus {}).await
    }

    /// Sends SIGKILL. QEMU has ended when [`wait`](Self::wait) returns, not before: a thread in the kernel may hold it.
    ///
    /// # Errors
    /// [`QemuError::Process`]; not when it is gone already.
    pub fn kill(&self) -> Result<(), QemuError> {
        self.process.kill()
    }

    /// Waits for the end of the process; may be dropped and called again. Without a status when it was another vmrun's
    /// child.
    ///
    /// # Errors
    /// [`QemuError::Process`].
    pub async fn wait(&mut self) -> Result<Option<ExitStatus>, QemuError> {
        self.process.wait().await
    }

    /// The next event; `None` once the monitor is gone. The process may live on then.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.next().await
    }

    /// The next thing that happens: events in order, the loss of the monitor once, the end of the process last.
    ///
    /// May be dropped and called again; after [`News::Exited`] it says so again.
    ///
    /// # Errors
    /// [`QemuError::Process`].
    pub async fn next(&mut self) -> Result<News, QemuError> {
        if !self.exited && self.connected {
            tokio::select! {
                biased;
                event = self.events.next() => return Ok(self.said(event)),
                status = self.process.wait() => (self.exited, self.status) = (true, status?),
            }
        }
        // What it said last is still in the socket, and tells why it ended.
        if self.connected
            && let Ok(event) = tokio::time::timeout(ENDING, self.events.next()).await
        {
            return Ok(self.said(event));
        }
        self.connected = false;
        if !self.exited {
            (self.exited, self.status) = (true, self.process.wait().await?);
        }
        Ok(News::Exited(self.status))
    }

    fn said(&mut self, event: Option<Event>) -> News {
        self.connected = event.is_some();
        event.map_or(News::Disconnected, News::Event)
    }

    /// The better reason for a closed monitor: that QEMU ended.
    pub(super) async fn ended_or(&mut self, closed: QmpError) -> QemuError {
        match tokio::time::timeout(ENDING, self.process.wait()).await {
            Ok(Ok(status)) => self.process.died(status),
            Ok(Err(error)) => error,
            Err(_) => closed.into(),
        }
    }

    /// Kills a QEMU whose guest has not run, waits for its end, and hands `error` on.
    pub(super) async fn given_up(mut self, error: QemuError) -> QemuError {
        match self.process.kill() {
            Ok(()) => self.process.wait().await.err().unwrap_or(error),
            Err(worse) => worse,
        }
    }
}

/// The handshake and what is to be known of a QEMU, handed to it at once.
pub(super) fn asked(qmp: &Qmp) -> Vec<Call> {
    ["qmp_capabilities", QueryCpus::NAME, QueryIothreads::NAME].map(|name| qmp.call(name, &json!({}))).into()
}

pub(super) async fn all(ahead: &mut [Call], replies: &mut Vec<Box<RawValue>>) -> Result<Told, QmpError> {
    for call in ahead.iter_mut().skip(replies.len()) {
        replies.push(call.await?);
    }
    Ok(Told { vcpus: read(QueryCpus::NAME, &replies[1])?, iothreads: read(QueryIothreads::NAME, &replies[2])? })
}
