//! When a companion counts as started.

use super::appears::Appears;
use super::notify::Notify;
use crate::plan::Ready;
use crate::process::Running;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// What is waited for; made before the companion is started, so that nothing is missed.
pub(super) enum Awaited {
    /// Nothing: it was executed.
    Nothing,
    /// A message.
    Notify(Notify),
    /// A file.
    File(Appears),
}

impl Awaited {
    /// With a socket at `socket` for a companion of ours; another user could not reach it there.
    pub(super) fn prepare(ready: &Ready, socket: &Path, is_ours: bool) -> io::Result<Self> {
        Ok(match ready {
            Ready::Exec => Self::Nothing,
            Ready::Notify if is_ours => Self::Notify(Notify::bind_file(socket)?),
            Ready::Notify => Self::Notify(Notify::bind_abstract()?),
            Ready::File(path) => Self::File(Appears::watch(path)?),
        })
    }

    /// The variable that the companion needs for it.
    pub(super) fn variable(&self) -> Option<(String, OsString)> {
        match self {
            Self::Notify(socket) => Some(("NOTIFY_SOCKET".to_owned(), socket.address().into())),
            Self::Nothing | Self::File(_) => None,
        }
    }

    /// Waits for something that may be it; [`Self::counts`] says whether it is. Cancel-safe.
    pub(super) async fn came(&self) {
        match self {
            Self::Nothing => {}
            Self::Notify(socket) => socket.readable().await,
            Self::File(file) => file.there().await,
        }
    }

    /// Whether what came is it.
    pub(super) fn counts(&self, running: &Running) -> bool {
        match self {
            Self::Nothing | Self::File(_) => true,
            Self::Notify(socket) => socket.says_ready(running),
        }
    }
}
