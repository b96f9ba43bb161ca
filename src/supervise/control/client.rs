//! The other end of the control socket.

use super::control_socket;
use super::protocol::{Ask, Refusal, read_answer, request};
use serde_json::Value;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long a supervisor may take for an answer that it gives at once, but for QEMU, which it gives three seconds: it may be
/// about to bind a card to a driver, and do nothing else until the kernel is done.
const PATIENCE: Duration = Duration::from_secs(10);

/// A supervisor that is there and does not answer; within an [`io::ErrorKind::TimedOut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its vmrun{} does not answer", .process.map_or_else(String::new, |pid| format!(" (process {pid})")))]
pub struct Silent {
    /// Its process id, as far as the kernel says.
    pub process: Option<i32>,
}

impl Silent {
    /// The one that `error` is about, if it is about one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// A connection to the supervisor of a guest.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// To the supervisor of the guest in the run folder `dir`.
    ///
    /// # Errors
    /// When nobody listens there, or it may not be opened.
    pub async fn connect(dir: &Path) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(UnixStream::connect(control_socket(dir)).await?) })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the connection is lost; as [`io::ErrorKind::Other`], when it is refused, with the reason; and as [`Silent`],
    /// after 10 s, when there is no answer to what takes neither QEMU's time nor the guest's.
    pub async fn ask(&mut self, ask: &Ask) -> io::Result<Value> {
        let answer = self.answer(ask);
        match ask {
            Ask::Status {} | Ask::Stop { .. } | Ask::Events {} | Ask::Console {} => {
                match timeout(PATIENCE, answer).await {
                    Ok(answer) => answer,
                    Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, self.silent())),
                }
            }
            Ask::Qmp { .. } | Ask::PciAttach(_) | Ask::PciDetach { .. } => answer.await,
        }
    }

    fn silent(&self) -> Silent {
        let process = self.stream.get_ref().peer_cred().ok().and_then(|peer| peer.pid());
        Silent { process: process.filter(|pid| *pid > 0) }
    }

    async fn answer(&mut self, ask: &Ask) -> io::Result<Value> {
        self.stream.write_all(request(ask)?.as_bytes()).await?;
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_answer(&line)?.map_err(|Refusal { desc, .. }| io::Error::other(desc))
    }

    /// Waits until the supervisor has ended.
    pub async fn gone(&mut self) {
        let mut line = String::new();
        // A supervisor that ends resets the connection or closes it: both are the end.
        while matches!(self.stream.read_line(&mut line).await, Ok(count) if count > 0) {
            line.clear();
        }
    }

    /// The next line that comes unasked, after [`Ask::Events`]; `None` at the end.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        Ok((self.stream.read_line(&mut line).await? > 0).then_some(line))
    }

    /// The connection itself, after [`Ask::Console`].
    #[must_use]
    pub fn into_stream(self) -> BufReader<UnixStream> {
        self.stream
    }
}

/// Asks the supervisor of the guest in the run folder `dir` one thing.
///
/// # Errors
/// As [`Client::connect`] and [`Client::ask`].
pub async fn ask(dir: &Path, ask: &Ask) -> io::Result<Value> {
    Client::connect(dir).await?.ask(ask).await
}
