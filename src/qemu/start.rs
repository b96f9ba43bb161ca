//! A QEMU before its guest runs: it boots, then it is paused with every thread in place.

use super::QemuError;
use super::child::Process;
use super::guest::{Guest, all, asked};
use super::pin::{Threads, Told};
use super::qmp::{Call, Events, Qmp, QmpError};
use crate::plan::{Descriptor, Pins, Plan};
use crate::process::ProcessId;
use crate::unit::CpuSet;
use qapi::Command;
use qapi::qmp::{cont, set_link};
use serde_json::json;
use serde_json::value::RawValue;
use std::ops::{Deref, DerefMut};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long a QEMU that is starting may do nothing at all. Filling huge pages is work, but it may have to wait for a card
/// that does not come back from a reset, for which the kernel takes a minute. Linux: `PCIE_RESET_READY_POLL_MS`.
const STILL: Duration = Duration::from_secs(120);

/// A QEMU that was executed and has not answered yet. Killed when dropped.
#[derive(Debug)]
pub struct Booting {
    guest: Guest,
    vhost: bool,
    ahead: Vec<Call>,
    replies: Vec<Box<RawValue>>,
}

/// A QEMU whose threads are in place and whose guest has not run an instruction. Killed when dropped.
#[derive(Debug)]
pub struct Paused {
    guest: Guest,
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
