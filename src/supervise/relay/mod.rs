//! QEMU's monitor for others: `qmp-user.sock` speaks QMP to any number of clients, over the one connection that vmrun has.
//!
//! Each client gets QEMU's greeting, negotiates for itself, keeps its own ids, has its commands carried out in its order,
//! and hears every event. What it cannot do is pass descriptors (`getfd`), and `exec-oob`, which the greeting does not
//! offer.

mod client;
mod stream;

use super::control::{listen_privately, next_client};
use crate::qemu::{Event, Qmp};
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;
use tokio::sync::broadcast;
use tokio::task::{AbortHandle, spawn_local};

/// Name of the socket in the run folder.
const SOCKET: &str = "qmp-user.sock";
/// Events that a client may be behind before it is let go.
const BEHIND: usize = 256;

/// The socket for clients of QEMU's monitor in the run folder `dir`.
#[must_use]
pub fn qmp_user_socket(dir: &Path) -> PathBuf {
    dir.join(SOCKET)
}

/// The clients of one QEMU's monitor. Dropped, they are let go.
pub(super) struct Relay {
    events: broadcast::Sender<Event>,
    accepting: AbortHandle,
}

impl Relay {
    /// Listens in the run folder `dir` for clients of `qmp`.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(super) fn open(dir: &Path, qmp: &Qmp) -> io::Result<Self> {
        let listener = listen_privately(&qmp_user_socket(dir))?;
        let (events, _) = broadcast::channel(BEHIND);
        let accepting = spawn_local(accept(listener, qmp.clone(), events.downgrade())).abort_handle();
        Ok(Self { events, accepting })
    }

    /// Tells all of them.
    pub(super) fn tell(&self, event: &Event) {
        if self.events.receiver_count() > 0 {
            // Who left meanwhile needs nothing.
            let _ = self.events.send(event.clone());
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: UnixListener, qmp: Qmp, events: broadcast::WeakSender<Event>) {
    loop {
        let stream = next_client(&listener).await;
        let Some(events) = events.upgrade().map(|events| events.subscribe()) else { return };
        let qmp = qmp.clone();
        spawn_local(async move {
            // A client that left has what it wanted.
            if let Err(error) = client::serve(stream, &qmp, events).await {
                tracing::debug!(%error, "a client of the monitor left");
            }
        });
    }
}
