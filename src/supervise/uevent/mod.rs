//! What the kernel and udev say of devices that come and go. Linux: `lib/kobject_uevent.c`, netlink(7).

mod filter;

use filter::pass_only;
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Group of the kernel's own messages: a device is there.
pub(super) const KERNEL: u32 = 1;
/// Group of udev's: its rules have been applied too, so who may open the device can.
pub(super) const UDEV: u32 = 2;

/// Longest message; the kernel's are at most 2 KiB of variables, udev's a few more (`UEVENT_BUFFER_SIZE`).
const LONGEST: usize = 16 << 10;

/// The messages. Anybody may forge one of udev's: it only makes vmrun look.
#[derive(Debug)]
pub(super) struct Uevents(AsyncFd<OwnedFd>);

/// What was in the socket.
enum Taken<T> {
    News(T),
    /// A message of which nothing is made.
    Other,
    /// Some messages are gone.
    Lost,
    /// No message.
    Empty,
    /// No message, and none will come.
    Over,
}

impl Uevents {
    /// Starts to listen to these groups.
    ///
    /// # Errors
    /// When there is no such socket, as in some containers.
    pub(super) fn listen(groups: u32) -> io::Result<Self> {
        let socket = open()?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Self::over(socket)
    }

    /// Starts to listen to the kernel's own messages that begin with one of `heads`, like `add@/devices/`. The kernel keeps
    /// all others to itself: nothing wakes up for them.
    ///
    /// # Errors
    /// When there is no such socket, as in some containers.
    pub(super) fn listen_for(heads: &[&str]) -> io::Result<Self> {
        let socket = open()?;
        // Before it is bound: nothing comes in between.
        pass_only(&socket, heads)?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
        Self::over(socket)
    }

    /// Listens to a socket that does not block.
    #[allow(unsafe_code)]
    pub(super) fn over(socket: OwnedFd) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` is open and the same descriptor until it is dropped, which the `AsyncFd` does at its end.
        Ok(Self(unsafe { AsyncFd::register(socket) }?))
    }

    /// Waits for the next message of which `read` makes something; for ever when the socket fails. `None` when some were
    /// lost, of which it may have made something too. Cancel-safe.
    pub(super) async fn next<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        loop {
            let Ok(mut ready) = self.0.readable().await else { return std::future::pending().await };
            match self.take(&read) {
                Taken::News(news) => return Some(news),
                Taken::Lost => return None,
                Taken::Other => {}
                Taken::Empty => ready.clear_ready(),
                Taken::Over => return std::future::pending().await,
            }
        }
    }

    /// The next one that is there already, or `lost` when some were lost; `None` when none is.
    pub(super) fn waiting<T>(&self, read: impl Fn(&[u8]) -> Option<T>, lost: T) -> Option<T> {
        loop {
            match self.take(&read) {
                Taken::News(news) => return Some(news),
                Taken::Lost => return Some(lost),
                Taken::Other => {}
                Taken::Empty | Taken::Over => return None,
            }
        }
    }

    fn take<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Taken<T> {
        let mut message = [0; LONGEST];
        match recv(self.0.get_ref(), &mut message[..], RecvFlags::empty()) {
            Ok((0, _)) => Taken::Over,
            Ok((length, _)) => read(&message[..length]).map_or(Taken::Other, Taken::News),
            Err(Errno::INTR) => Taken::Other,
            Err(Errno::AGAIN) => Taken::Empty,
            // More came than the socket holds.
            Err(Errno::NOBUFS) => Taken::Lost,
            Err(error) => {
                tracing::warn!(%error, "no more news of devices");
                Taken::Over
            }
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?)
}

#[cfg(test)]
mod test {
    use super::{KERNEL, UDEV, Uevents};

    #[tokio::test]
    async fn everybody_may_listen_to_the_kernel() {
        assert!(Uevents::listen(KERNEL | UDEV).is_ok());
        assert!(Uevents::listen_for(&["add@/devices/"]).is_ok());
    }
}
