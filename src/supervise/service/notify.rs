//! The socket on which a companion says that it is ready; systemd: `sd_notify(3)`.

use crate::process::Running;
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, UCred, bind, recvmsg};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// Longest message; systemd's own limit is a page, too.
const LONGEST: usize = 4096;

/// A datagram socket of one companion.
pub(super) struct Notify {
    socket: UnixDatagram,
    address: OsString,
    /// The socket's file, where it has one; gone with this value.
    file: Option<PathBuf>,
}

impl Notify {
    /// Binds it to `file`, in a folder that nobody but vmrun enters: what a run that was killed left there is replaced.
    pub(super) fn bind_file(file: &Path) -> io::Result<Self> {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = StdDatagram::bind(file)?;
        Self::new(socket, file.into(), Some(file.to_owned()))
    }

    /// Binds it to a free abstract name that the kernel chooses; `unix(7)`, autobind. For a companion of another user,
    /// who cannot enter the folder of the run. Not for every companion, since not every client of `sd_notify(3)` knows
    /// abstract names.
    pub(super) fn bind_abstract() -> io::Result<Self> {
        let socket = StdDatagram::unbound()?;
        bind(&socket, &SocketAddrUnix::new_unnamed())?;
        let bound = socket.local_addr()?;
        let name = bound.as_abstract_name().and_then(|name| std::str::from_utf8(name).ok());
        // `@` stands for the NUL of an abstract name.
        let address = name.map(|name| format!("@{name}")).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Self::new(socket, address.into(), None)
    }

    fn new(socket: StdDatagram, address: OsString, file: Option<PathBuf>) -> io::Result<Self> {
        set_socket_passcred(&socket, true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixDatagram::from_std(socket)?, address, file })
    }

    /// For `NOTIFY_SOCKET`.
    pub(super) fn address(&self) -> &OsStr {
        &self.address
    }

    /// Waits for a message.
    pub(super) async fn readable(&self) {
        // An error would mean that the runtime is being torn down; then there is nobody left to tell.
        let _ready = self.socket.readable().await;
    }

    /// Reads one message, if one has come. Whether it holds `READY=1` from a process of this companion's group.
    ///
    /// `systemd-notify`, called by a script, may have ended before its message is read, and then nobody can say in
    /// which group it was; it is believed when it had the companion's user, who could trace the companion anyway.
    pub(super) fn says_ready(&self, running: &Running) -> bool {
        let Ok((text, sender)) = self.socket.try_io(Interest::READABLE, || self.receive()) else { return false };
        let ready = text.split(|byte| *byte == b'\n').any(|line| line == b"READY=1");
        ready && sender.is_some_and(|sender| is_of(running, sender))
    }

    /// A message with its sender. Descriptors that came along are dropped by the kernel, as there is no room for them.
    fn receive(&self) -> io::Result<(Vec<u8>, Option<UCred>)> {
        let mut text = vec![0; LONGEST];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut text)], &mut control, flags) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        text.truncate(received.bytes);
        let sender = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(sender) => Some(sender),
            _ => None,
        });
        Ok((text, sender))
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        // One that is gone already needs no removal; the folder itself goes at the end of the run.
        let _gone = self.file.as_deref().map(fs::remove_file);
    }
}

/// Anybody can send to an abstract name, so that the sender is looked at.
fn is_of(running: &Running, sender: UCred) -> bool {
    let pid = sender.pid.as_raw_nonzero().get().cast_unsigned();
    running.has_member(pid).unwrap_or_else(|| sender.uid.as_raw() == running.uid())
}
