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
use super::qmp::{Call, Event, Events, Qmp, QmpError, QueryCpus, QueryIothreads, QueryStatus, Status};
use crate::plan::{Descriptor, Pins, Plan};
use crate::process::ProcessId;
use crate::unit::CpuSet;
use qapi::Command;
use qapi::qmp::{cont, quit, set_link, system_powerdown};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long a QEMU whose monitor is closed may take to end before it counts as alive; and how long the last events of
/// one that ended may take through the socket.
const ENDING: Duration = Duration::from_secs(5);

/// How long a QEMU that is starting may do nothing at all. Filling huge pages is work, but it may have to wait for a card
/// that does not come back from a reset, for which the kernel takes a minute. Linux: `PCIE_RESET_READY_POLL_MS`.
const STILL: Duration = Duration::from_secs(120);

/// How long a QEMU that runs may take to answer a new client.
const GREETING: Duration = Duration::from_secs(3);

/// A QEMU that was executed and has not answered yet. Killed when dropped.
#[derive(Debug)]
pub struct Booting {
    guest: Guest,
    vhost: bool,
    ahead: Vec<Call>,
    replies: Vec<Value>,
}

/// A QEMU whose threads are in place and whose guest has not run an instruction. Killed when dropped.
#[derive(Debug)]
pub struct Paused {
    guest: Guest,
}

/// A QEMU whose guest runs, or ran. It goes on when this is dropped.
#[derive(Debug)]
pub struct Guest {
    process: Process,
    qmp: Qmp,
    events: Events,
    threads: Option<Threads>,
    connected: bool,
    /// Whether it has ended, and how, where that can be seen.
    exited: bool,
    status: Option<ExitStatus>,
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

impl Booting {
    pub(super) fn new(process: Process, qmp: Qmp, events: Events, serial: Option<UnixStream>, plan: &Plan) -> Self {
        let unplugged = plan.links_down.iter().map(|id| qmp.call(set_link::NAME, &json!({"name": id, "up": false})));
        let ahead = asked(&qmp).into_iter().chain(unplugged).collect();
        let vhost = plan.descriptors.contains(&Descriptor::VhostNet);
        let guest = Guest { process, qmp, events, threads: None, connected: true, exited: false, status: None, serial };
        Self { guest, vhost, ahead, replies: Vec::new() }
    }

    /// Process id of QEMU.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.guest.pid()
    }

    /// Waits until QEMU has told its threads, for as long as it does something: filling huge pages alone may take minutes.
    ///
    /// May be dropped and called again until it has succeeded.
    ///
    /// # Errors
    /// [`QemuError::Died`] with what QEMU printed, when it ended instead; [`QemuError::Silent`] when it neither answers
    /// nor does anything for two minutes; [`QemuError::Qmp`] when it runs and its monitor does not do.
    pub async fn told(&mut self) -> Result<Told, QemuError> {
        let Self { guest, ahead, replies, .. } = self;
        let pid = guest.pid();
        tokio::select! {
            biased;
            told = all(ahead, replies) => match told {
                Err(QmpError::Closed) => Err(guest.ended_or(QmpError::Closed).await),
                told => Ok(told?),
            },
            status = guest.process.wait() => Err(guest.process.died(status?)),
            () = stands_still(pid) => Err(QemuError::Silent { pid }),
        }
    }

    /// Puts every thread in its place and reads that back; `away` are host CPUs that may be missing, see [`Threads::pin`].
    ///
    /// # Errors
    /// [`QemuError::Pin`]; QEMU has been killed and waited for then.
    pub async fn pin(mut self, pins: &Pins, told: &Told, away: CpuSet) -> Result<Paused, QemuError> {
        match Threads::pin(self.pid(), pins, told, self.vhost, away) {
            Ok(threads) => {
                self.guest.threads = Some(threads);
                Ok(Paused { guest: self.guest })
            }
            Err(error) => Err(self.guest.given_up(error).await),
        }
    }

    /// Kills QEMU and waits for its end. No guest has run.
    ///
    /// # Errors
    /// [`QemuError::Process`].
    pub async fn kill(mut self) -> Result<Option<ExitStatus>, QemuError> {
        self.guest.process.kill()?;
        self.guest.wait().await
    }
}

impl Paused {
    /// Lets the guest run. From now on it outlives vmrun.
    ///
    /// # Errors
    /// [`QemuError::Qmp`], or [`QemuError::Died`] when QEMU ended meanwhile; it has been killed and waited for.
    pub async fn cont(mut self) -> Result<Guest, QemuError> {
        match self.guest.qmp.execute(&cont {}).await {
            Ok(_) => {
                self.guest.process.release();
                Ok(self.guest)
            }
            Err(QmpError::Closed) => {
                let error = self.guest.ended_or(QmpError::Closed).await;
                Err(self.guest.given_up(error).await)
            }
            Err(error) => Err(self.guest.given_up(error.into()).await),
        }
    }

    /// Kills QEMU and waits for its end. No guest has run.
    ///
    /// # Errors
    /// [`QemuError::Process`].
    pub async fn abandon(mut self) -> Result<Option<ExitStatus>, QemuError> {
        self.guest.process.kill()?;
        self.guest.wait().await
    }
}

impl Deref for Paused {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl DerefMut for Paused {
    fn deref_mut(&mut self) -> &mut Guest {
        &mut self.guest
    }
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
    async fn ended_or(&mut self, closed: QmpError) -> QemuError {
        match tokio::time::timeout(ENDING, self.process.wait()).await {
            Ok(Ok(status)) => self.process.died(status),
            Ok(Err(error)) => error,
            Err(_) => closed.into(),
        }
    }

    /// Kills a QEMU whose guest has not run, waits for its end, and hands `error` on.
    async fn given_up(mut self, error: QemuError) -> QemuError {
        match self.process.kill() {
            Ok(()) => self.process.wait().await.err().unwrap_or(error),
            Err(worse) => worse,
        }
    }
}

/// The handshake and what is to be known of a QEMU, handed to it at once.
fn asked(qmp: &Qmp) -> Vec<Call> {
    ["qmp_capabilities", QueryCpus::NAME, QueryIothreads::NAME].map(|name| qmp.call(name, &json!({}))).into()
}

async fn all(ahead: &mut [Call], replies: &mut Vec<Value>) -> Result<Told, QmpError> {
    for call in ahead.iter_mut().skip(replies.len()) {
        replies.push(call.await?);
    }
    Ok(Told { vcpus: read(QueryCpus::NAME, &replies[1])?, iothreads: read(QueryIothreads::NAME, &replies[2])? })
}

/// Returns when process `pid` has done nothing between two looks.
async fn stands_still(pid: u32) {
    let Some(id) = ProcessId::of(pid) else { return std::future::pending().await };
    let mut before = None;
    loop {
        let done = id.done();
        if done.is_some() && done == before {
            return;
        }
        before = done;
        tokio::time::sleep(STILL).await;
    }
}

fn read<'a, T: Deserialize<'a>>(command: &str, reply: &'a Value) -> Result<T, QmpError> {
    let unreadable = |source| QmpError::Unreadable { command: command.to_owned(), reply: reply.clone(), source };
    T::deserialize(reply).map_err(unreadable)
}
