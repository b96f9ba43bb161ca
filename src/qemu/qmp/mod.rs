//! The conversation with QEMU's monitor (QMP), in JSON with `qapi` types on top.
//!
//! Events and refusals are read as any JSON, and a reply stays text until its reader says what it is, so an event, enum
//! value or error class that is newer than the `qapi` types costs nothing but its type. One task owns the connection and never waits for a handler: QEMU buffers without bound
//! for a client that does not read. Every command has an id of its own; a command whose future was dropped (a time
//! limit around it, say) leaves nothing behind, and its late reply is thrown away.

mod book;
mod event;
mod message;
mod reader;
mod reply;
mod writer;

pub(super) use reply::read;

pub use event::Event;
pub use reply::{
    Iothread, QueryCpus, QueryIothreads, QueryStatus, QueryVersion, RunState, Status, Vcpu, Version, VersionNumbers,
};

use book::Book;
use qapi::Command;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

/// Why a command got no reply that can be used.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The connection is gone, by end of file or reset alike, or what came over it was no QMP any more. Whether QEMU
    /// itself is gone only its process can tell.
    #[error("the connection to QEMU's monitor is closed")]
    Closed,
    /// QEMU refused the command; it and the guest go on.
    #[error("QEMU refused {command}: {desc} ({class})")]
    Refused {
        /// Name of the command.
        command: String,
        /// QEMU's error class, like `CommandNotFound`; text, since newer versions may know more.
        class: String,
        /// QEMU's own words.
        desc: String,
    },
    /// The command was carried out, and its reply was thrown away.
    #[error("the reply of QEMU to {command} is longer than 16 MiB")]
    TooLong {
        /// Name of the command.
        command: String,
    },
    /// The command was carried out, and its reply is not what the type expects.
    #[error("the reply of QEMU to {command} cannot be read")]
    Unreadable {
        /// Name of the command.
        command: String,
        /// The reply as it came.
        reply: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

/// The sending end of the conversation. Clones share the connection; it ends with the last of them and the [`Events`].
#[derive(Clone, Debug)]
pub struct Qmp {
    wire: Arc<Wire>,
}

/// The events of one QEMU, in order; those before the greeting included.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::UnboundedReceiver<Event>,
    _wire: Arc<Wire>,
}

/// A command under way. Resolves to its reply, as text; dropping it forgets the command, not what it does.
#[derive(Debug)]
pub struct Call {
    id: u64,
    reply: oneshot::Receiver<Result<Box<RawValue>, QmpError>>,
    wire: Arc<Wire>,
}

#[derive(Debug)]
struct Wire {
    book: Arc<Book>,
    lines: mpsc::UnboundedSender<Vec<u8>>,
    task: AbortHandle,
}

impl Qmp {
    /// Talks over `stream`. The first command must be `qmp_capabilities`; QEMU refuses any other before it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn over(stream: UnixStream) -> (Self, Events) {
        let (input, output) = stream.into_split();
        let (events, queue) = mpsc::unbounded_channel();
        let (lines, to_write) = mpsc::unbounded_channel();
        let book = Arc::new(Book::default());
        let (read, write) = (reader::run(input, Arc::clone(&book), events), writer::run(output, to_write));
        // The connection ends when reading ends; until then a write that failed leaves what there still is to read.
        let task = tokio::spawn(async {
            tokio::select! { () = read => {}, never = write => match never {} }
        });
        let wire = Arc::new(Wire { book, lines, task: task.abort_handle() });
        (Self { wire: Arc::clone(&wire) }, Events { queue, _wire: wire })
    }

    /// Connects to the monitor socket at `path` of a QEMU that runs already.
    ///
    /// QEMU serves one client; a second one is accepted by the kernel and hears nothing until the first is gone. So the
    /// first command wants a time limit here.
    ///
    /// # Errors
    /// When nobody listens at `path`, or it may not be opened.
    pub async fn connect(path: &Path) -> io::Result<(Self, Events)> {
        Ok(Self::over(UnixStream::connect(path).await?))
    }

    /// Hands a command to QEMU at once, also before the greeting; the reply is waited for apart.
    #[must_use]
    pub fn call(&self, command: &str, arguments: &Value) -> Call {
        let (id, reply) = self.wire.book.enter(command);
        let mut line = json!({ "execute": command, "arguments": arguments, "id": id }).to_string().into_bytes();
        line.push(b'\n');
        // Nobody takes the line once the connection is gone; the call has failed already then.
        let _ = self.wire.lines.send(line);
        Call { id, reply, wire: Arc::clone(&self.wire) }
    }

    /// Carries out any command by name, also one that `qapi` does not know; the reply is what stood in `return`.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn raw(&self, command: &str, arguments: &Value) -> Result<Value, QmpError> {
        read(command, &self.call(command, arguments).await?)
    }

    /// Carries out a command with its types.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn execute<C: Command>(&self, command: &C) -> Result<C::Ok, QmpError> {
        let unsaid = |source| QmpError::Unreadable { command: C::NAME.to_owned(), reply: String::new(), source };
        let arguments = serde_json::to_value(command).map_err(unsaid)?;
        read(C::NAME, &self.call(C::NAME, &arguments).await?)
    }

    /// What QEMU greeted with, `{"version": …, "capabilities": …}`; `None` before it did.
    #[must_use]
    pub fn greeting(&self) -> Option<&Value> {
        self.wire.book.greeting()
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.wire.book.is_closed()
    }
}

impl Events {
    /// The next event; `None` once the connection is gone and all events before that were taken.
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.queue.recv().await
    }
}

impl Future for Call {
    type Output = Result<Box<RawValue>, QmpError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.reply).poll(context).map(|reply| reply.unwrap_or(Err(QmpError::Closed)))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.wire.book.strike(self.id);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod test;
