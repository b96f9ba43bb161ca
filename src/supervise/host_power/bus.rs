//! A connection to the system bus; D-Bus Specification, "Authentication Protocol" and "Message Bus Specification". It waits
//! for the bus beside everything else, and no child of vmrun gets a descriptor that came over it: a lock that QEMU had
//! too would be nobody's to let go.

use super::message::{Broken, CALL, Call, ERROR, Message, REPLY, SIGNAL};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::getuid;
use std::collections::VecDeque;
use std::env;
use std::io::{self, ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Where every system has its bus.
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// How long the bus may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something could not be had from the bus.
#[derive(Debug, thiserror::Error)]
pub(super) enum BusError {
    /// The connection does not work.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no bus.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Who was called refuses.
    #[error("{text}")]
    Refused {
        /// In its own words.
        text: String,
    },
}

/// A connection.
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    signals: VecDeque<Message>,
}

/// The bus itself as the one that is called.
const fn of_the_bus<'a>(member: &'a str, arguments: &'a [&'a str]) -> Call<'a> {
    let name = "org.freedesktop.DBus";
    Call { destination: name, path: "/org/freedesktop/DBus", interface: name, member, arguments }
}

impl Bus {
    /// Connects to the system bus.
    pub(super) async fn connect() -> Result<Self, BusError> {
        let stream = UnixStream::connect(address()).await?;
        let (bytes, descriptors, signals) = (Vec::new(), VecDeque::new(), VecDeque::new());
        let mut bus = Self { stream, serial: 0, bytes, descriptors, signals };
        timeout(PATIENCE, bus.authenticate()).await.map_err(|_| too_late())??;
        bus.call(&of_the_bus("Hello", &[])).await?;
        Ok(bus)
    }

    async fn authenticate(&mut self) -> Result<(), BusError> {
        let uid: String = getuid().as_raw().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        let words = format!("\0AUTH EXTERNAL {uid}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
        self.stream.write_all(words.as_bytes()).await?;
        // The bus says nothing more before the first call.
        while self.bytes.windows(2).filter(|two| two == b"\r\n").count() < 2 {
            self.fill().await?;
        }
        let answer = String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned();
        match answer.starts_with("OK ") && answer.contains("\r\nAGREE_UNIX_FD\r\n") {
            true => Ok(()),
            false => Err(BusError::Refused { text: answer.trim().to_owned() }),
        }
    }

    /// Wants signals that fit `rule`.
    pub(super) async fn subscribe(&mut self, rule: &str) -> Result<(), BusError> {
        self.call(&of_the_bus("AddMatch", &[rule])).await.map(drop)
    }

    /// The unique name of who owns `name` now.
    pub(super) async fn owner(&mut self, name: &str) -> Result<String, BusError> {
        let (reply, _) = self.call(&of_the_bus("GetNameOwner", &[name])).await?;
        Ok(reply.text().ok_or(Broken)?.to_owned())
    }

    /// Calls a method; the answer, and the descriptors that came with it.
    pub(super) async fn call(&mut self, call: &Call<'_>) -> Result<(Message, Vec<OwnedFd>), BusError> {
        self.serial += 1;
        let serial = self.serial;
        timeout(PATIENCE, async {
            self.stream.write_all(&call.encode(serial)).await?;
            loop {
                let (message, descriptors) = self.message().await?;
                match message.kind {
                    SIGNAL => self.signals.push_back(message),
                    REPLY if message.answers == Some(serial) => return Ok((message, descriptors)),
                    ERROR if message.answers == Some(serial) => {
                        let text = message.text().unwrap_or(&message.error).to_owned();
                        return Err(BusError::Refused { text });
                    }
                    // Somebody calls, which vmrun offers nothing for; or an answer to a call that was given up.
                    CALL.. => {}
                    _ => return Err(Broken.into()),
                }
            }
        })
        .await
        .map_err(|_| too_late())?
    }

    /// The next signal. Cancel-safe.
    pub(super) async fn signal(&mut self) -> Result<Message, BusError> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Ok(signal);
            }
            let (message, _) = self.message().await?;
            if message.kind == SIGNAL {
                return Ok(message);
            }
        }
    }

    async fn message(&mut self) -> Result<(Message, Vec<OwnedFd>), BusError> {
        loop {
            if let Some((message, length)) = Message::decode(&self.bytes)? {
                self.bytes.drain(..length);
                let count = self.descriptors.len().min(message.descriptors as usize);
                return Ok((message, self.descriptors.drain(..count).collect()));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut came = RecvAncillaryBuffer::new(&mut space);
        let stream = &self.stream;
        let received = stream.async_io(Interest::READABLE, || {
            Ok(recvmsg(stream, &mut [IoSliceMut::new(&mut chunk)], &mut came, RecvFlags::CMSG_CLOEXEC)?)
        });
        let length = received.await?.bytes;
        for message in came.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.bytes.extend(&chunk[..length]);
        Ok(())
    }
}

fn too_late() -> BusError {
    io::Error::from(ErrorKind::TimedOut).into()
}

/// The socket of the system bus: of the first address in its variable that is a path, or where it always is.
fn address() -> PathBuf {
    let given = env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_default();
    let mut addresses = given.split(';').filter_map(|address| address.strip_prefix("unix:path="));
    addresses.next().and_then(|path| path.split(',').next()).unwrap_or(SOCKET).into()
}
