//! The control socket of a guest: requests and answers, each a line of JSON. `contrib/control-socket.md` is its
//! description for others.
//!
//! It is served beside everything else, so a hook may call vmrun while vmrun waits for the hook.

mod client;
mod desk;
#[cfg(any(fuzzing, test))]
mod fuzz;
mod protocol;
mod serve;

pub use client::{Client, Silent, ask};
pub(super) use desk::{Desk, Plug, Reply};
#[cfg(any(fuzzing, test))]
pub use fuzz::fuzz_control;
pub(super) use protocol::Refusal;
pub use protocol::{Ask, Gift, Pins, ServiceStatus, Status};

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Name of the socket in the run folder.
const SOCKET: &str = "control.sock";
/// How long after a client that could not be let in the next try is made.
const AGAIN: Duration = Duration::from_millis(100);

/// The control socket of the run in the folder `dir`.
#[must_use]
pub fn control_socket(dir: &Path) -> PathBuf {
    dir.join(SOCKET)
}

/// The listening socket, and what its clients want.
pub(super) struct Control {
    listener: UnixListener,
    desk: Rc<Desk>,
    wishes: mpsc::UnboundedSender<Wish>,
    wished: mpsc::UnboundedReceiver<Wish>,
}

/// What only the loop can do.
#[derive(Debug)]
pub(super) enum Wish {
    /// The guest's end.
    Stop {
        /// Without asking the guest.
        force: bool,
    },
}

impl Control {
    /// Listens in the run folder `dir`; what a vmrun that was killed left there is replaced.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(super) fn listen(dir: &Path, desk: Rc<Desk>) -> io::Result<Self> {
        let listener = listen_privately(&control_socket(dir))?;
        let (wishes, wished) = mpsc::unbounded_channel();
        Ok(Self { listener, desk, wishes, wished })
    }

    /// Serves clients until one of them wants something of the loop. Cancel-safe.
    pub(super) async fn next(&mut self) -> Wish {
        loop {
            tokio::select! {
                Some(wish) = self.wished.recv() => return wish,
                client = next_client(&self.listener) => {
                    tokio::task::spawn_local(serve::serve(client, Rc::clone(&self.desk), self.wishes.clone()));
                }
            }
        }
    }
}

/// A socket that listens at `path`, in a folder that nobody but its owner enters, for its owner only.
pub(super) fn listen_privately(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The next client of `listener`. Cancel-safe.
///
/// One that cannot be let in, since there is no descriptor left for it or no memory, waits until there is.
pub(super) async fn next_client(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            Err(error) => tracing::debug!(%error, "a client cannot be let in yet"),
        }
        sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod test;
