//! Tap and macvtap devices: made or found, and opened once for each queue.

use crate::plan::{Tap, TapFrom};
use nix::libc;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// First byte of a tap's own hardware address: locally administered, and as high as an address can be. A bridge takes
/// the lowest address of its ports for its own (Linux: `br_stp_recalculate_bridge_id`), and one that changes with each
/// guest would upset the host's DHCP.
const HIGH_OCTET: u8 = 0xfe;

/// The interface is up; `netdevice(7)`. The C library's constant is wider than the member it goes into.
const IFF_UP: i16 = 1;

/// Refuses a name that is taken; Linux: `include/uapi/linux/if_tun.h`.
const IFF_TUN_EXCL: libc::c_int = 0x8000;

/// Makes an interface a port of a bridge; Linux: `include/uapi/linux/sockios.h`.
const SIOCBRADDIF: libc::c_ulong = 0x89a2;

/// Clones a tap device at each opening; Linux: `Documentation/networking/tuntap.rst`.
const TUN: &str = "/dev/net/tun";

/// An opened device, to which further queues can be attached.
#[derive(Debug)]
pub(super) struct Device {
    node: PathBuf,
    name: String,
    flags: libc::c_int,
}

impl Device {
    /// Attaches a further queue. Fails when the device was not opened for several.
    pub(super) fn queue(&self) -> io::Result<OwnedFd> {
        attach(&self.node, &self.name, self.flags).map(|(queue, _)| queue)
    }
}

/// Opens the first queue of `tap`, which is made, given its MTU, tied to its bridge and brought up unless it is there.
///
/// Fails when there is no such bridge or device, when its queues are taken, or without the capability for network
/// administration; a device that belongs to vmrun's user needs none.
pub(super) fn open(tap: &Tap) -> io::Result<(OwnedFd, Device)> {
    let flags = flags(tap.multi_queue);
    let socket = control_socket()?;
    let control = Control(socket.as_fd());
    let (name, exclusive) = match &tap.from {
        TapFrom::Bridge(_) => ("vmrun%d", 0),
        TapFrom::New(name) => (name.as_str(), IFF_TUN_EXCL),
        TapFrom::Existing(name) => {
            // The kernel would make one instead of telling that there is none.
            control.call(libc::SIOCGIFINDEX, &mut named(name)?)?;
            (name.as_str(), 0)
        }
    };
    let bridge = match &tap.from {
        TapFrom::Bridge(bridge) => Some(control.ask(libc::SIOCGIFMTU, bridge)?),
        TapFrom::New(_) | TapFrom::Existing(_) => None,
    };
    let (queue, name) = attach(Path::new(TUN), name, flags | exclusive)?;
    if !matches!(tap.from, TapFrom::Existing(_)) {
        bring_up(control, &name, bridge, tap.mtu)?;
    }
    Ok((queue, Device { node: TUN.into(), name, flags }))
}

/// Opens the first queue of the macvtap device `name`, whose character device is called by its number; Linux:
/// `drivers/net/macvtap.c`.
///
/// Fails when there is no such device, or when another one's character device is in its place, as happens to devices of
/// several network namespaces that share a `/dev`.
pub(super) fn open_macvtap(name: &str, multi_queue: bool) -> io::Result<(OwnedFd, Device)> {
    let socket = control_socket()?;
    let mut request = Control(socket.as_fd()).ask(libc::SIOCGIFINDEX, name)?;
    let index = index(&mut request);
    let node = PathBuf::from(format!("/dev/tap{index}"));
    let number = std::fs::read_to_string(format!("/sys/class/net/{name}/tap{index}/dev"))?;
    let found = std::fs::metadata(&node)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", node.display())))?
        .rdev();
    let found = format!("{}:{}", rustix::fs::major(found), rustix::fs::minor(found));
    if number.trim() != found {
        let why = format!("{} is device {found}, that of {name} is {}", node.display(), number.trim());
        return Err(io::Error::other(why));
    }
    let flags = flags(multi_queue);
    let (queue, _) = attach(&node, name, flags)?;
    Ok((queue, Device { node, name: name.to_owned(), flags }))
}

fn flags(multi_queue: bool) -> libc::c_int {
    let several = if multi_queue { libc::IFF_MULTI_QUEUE } else { 0 };
    libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | several
}

/// Opens `node` as a queue of device `name`, and returns the name that the kernel gave it.
fn attach(node: &Path, name: &str, flags: libc::c_int) -> io::Result<(OwnedFd, String)> {
    let queue: OwnedFd = File::options().read(true).write(true).open(node)?.into();
    let mut request = named(name)?;
    // The flags fill the member's 16 bits; the highest one is no sign.
    request.ifr_ifru.ifru_flags = u16::try_from(flags).map_err(io::Error::other)?.cast_signed();
    ioctl(queue.as_fd(), libc::TUNSETIFF, &mut request)?;
    let name = request.ifr_name.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte.cast_unsigned()));
    Ok((queue, name.collect()))
}

/// Ties tap `name` to the bridge that `bridge`, with its MTU, names, and brings it up.
fn bring_up(control: Control<'_>, name: &str, bridge: Option<libc::ifreq>, mtu: Option<u16>) -> io::Result<()> {
    let mut request = control.ask(libc::SIOCGIFHWADDR, name)?;
    set_high(&mut request);
    control.call(libc::SIOCSIFHWADDR, &mut request)?;

    let mut request = named(name)?;
    if let Some(bridge) = &bridge {
        request.ifr_ifru = bridge.ifr_ifru;
    }
    if let Some(mtu) = mtu {
        request.ifr_ifru.ifru_mtu = mtu.into();
    }
    if bridge.is_some() || mtu.is_some() {
        control.call(libc::SIOCSIFMTU, &mut request)?;
    }

    if let Some(bridge) = bridge {
        let mut port = control.ask(libc::SIOCGIFINDEX, name)?;
        port.ifr_name = bridge.ifr_name;
        control.call(SIOCBRADDIF, &mut port)?;
    }

    let mut request = control.ask(libc::SIOCGIFFLAGS, name)?;
    set_up(&mut request);
    control.call(libc::SIOCSIFFLAGS, &mut request)
}

fn control_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

/// The socket over which interfaces are configured; `netdevice(7)`.
#[derive(Clone, Copy)]
struct Control<'a>(BorrowedFd<'a>);

impl Control<'_> {
    fn call(self, what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        ioctl(self.0, what, request)
    }

    /// The answer to `what` about interface `name`.
    fn ask(self, what: libc::c_ulong, name: &str) -> io::Result<libc::ifreq> {
        let mut request = named(name)?;
        self.call(what, &mut request)?;
        Ok(request)
    }
}

/// A request about interface `name`, otherwise zero.
fn named(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: `ifreq` is plain old data for which all bytes zero is a valid value.
    #[allow(unsafe_code)]
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        let why = format!("`{name}` is longer than a network interface's name");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    Ok(request)
}

fn index(request: &mut libc::ifreq) -> i32 {
    // SAFETY: SIOCGIFINDEX has just filled this member of the union; any bytes are valid in it.
    #[allow(unsafe_code)]
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    index
}

fn set_high(request: &mut libc::ifreq) {
    // SAFETY: SIOCGIFHWADDR has just filled this member of the union; any bytes are valid in it.
    #[allow(unsafe_code)]
    let address = unsafe { &mut request.ifr_ifru.ifru_hwaddr };
    address.sa_data[0] = HIGH_OCTET.cast_signed();
}

fn set_up(request: &mut libc::ifreq) {
    // SAFETY: SIOCGIFFLAGS has just filled this member of the union; any bytes are valid in it.
    #[allow(unsafe_code)]
    let flags = unsafe { &mut request.ifr_ifru.ifru_flags };
    *flags |= IFF_UP;
}

fn ioctl(descriptor: BorrowedFd<'_>, what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: every request made in this file takes a pointer to an `ifreq`, which lives through the call.
    #[allow(unsafe_code)]
    let status = unsafe { libc::ioctl(descriptor.as_raw_fd(), what, std::ptr::from_mut(request)) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
