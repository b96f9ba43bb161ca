//! What the kernel and udev say of USB devices that come and go. Linux: `lib/kobject_uevent.c`, netlink(7).

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Group of the kernel's own messages: a device is there.
const KERNEL: u32 = 1;
/// Group of udev's: its rules have been applied too, so who may open the device can.
const UDEV: u32 = 2;

/// What the message about a device, not about one of its interfaces, holds. Both sorts have it.
const SUBSYSTEM: &[u8] = b"SUBSYSTEM=usb\0";
const DEVICE: &[u8] = b"DEVTYPE=usb_device\0";

/// Longest message; the kernel's are at most 2 KiB of variables, udev's a few more (`UEVENT_BUFFER_SIZE`).
const LONGEST: usize = 16 << 10;

/// The messages. Anybody may forge one of udev's: it only makes vmrun look.
#[derive(Debug)]
pub(super) struct Uevents(AsyncFd<OwnedFd>);

impl Uevents {
    /// Starts to listen.
    ///
    /// # Errors
    /// When there is no such socket, as in some containers.
    pub(super) fn listen() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL | UDEV))?;
        Self::over(socket)
    }

    /// Listens to a socket that does not block.
    #[allow(unsafe_code)]
    pub(super) fn over(socket: OwnedFd) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` is open and the same descriptor until it is dropped, which the `AsyncFd` does at its end.
        Ok(Self(unsafe { AsyncFd::register(socket) }?))
    }

    /// Waits for the next message about a USB device; for ever when the socket fails. Cancel-safe.
    pub(super) async fn next(&self) {
        loop {
            let Ok(mut ready) = self.0.readable().await else { return std::future::pending().await };
            let mut message = [0; LONGEST];
            match recv(self.0.get_ref(), &mut message[..], RecvFlags::empty()) {
                Ok((0, _)) => return std::future::pending().await,
                Ok((length, _)) if is_of_usb_device(&message[..length]) => return,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                // More came than the socket holds: some of it may have been about USB.
                Err(Errno::NOBUFS) => return,
                Err(error) => {
                    tracing::warn!(%error, "no more news of USB devices");
                    return std::future::pending().await;
                }
            }
        }
    }
}

fn is_of_usb_device(message: &[u8]) -> bool {
    let has = |part: &[u8]| message.windows(part.len()).any(|window| window == part);
    has(SUBSYSTEM) && has(DEVICE)
}

#[cfg(test)]
mod test {
    use super::{Uevents, is_of_usb_device};

    #[test]
    fn devices_are_told_from_interfaces_and_from_all_else() {
        let message = |kind: &str| format!("add@/devices/x\0ACTION=add\0SUBSYSTEM=usb\0DEVTYPE={kind}\0SEQNUM=7\0");
        assert!(is_of_usb_device(message("usb_device").as_bytes()));
        assert!(!is_of_usb_device(message("usb_interface").as_bytes()));
        assert!(!is_of_usb_device(b"add@/x\0SUBSYSTEM=block\0DEVTYPE=disk\0"));
        assert!(!is_of_usb_device(b""));
    }

    #[tokio::test]
    async fn everybody_may_listen_to_the_kernel() {
        assert!(Uevents::listen().is_ok());
    }
}
