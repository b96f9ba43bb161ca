//! The other end of the control socket.

use super::control_socket;
use super::protocol::{Ask, Refusal, read_answer, request};
use serde_json::Value;
use std::io;
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

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
    /// When the connection is lost; and, as [`io::ErrorKind::Other`], when it is refused, with the reason.
    pub async fn ask(&mut self, ask: &Ask) -> io::Result<Value> {
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
