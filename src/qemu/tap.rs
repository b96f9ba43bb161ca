//! A tap device on a bridge, which is gone when its descriptor is closed.

use nix::libc;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// First byte of a tap's own hardware address: locally administered, and as high as an address can be. A bridge takes
/// the lowest address of its ports for its own (Linux: `br_stp_recalculate_bridge_id`), and one that changes with each
/// guest would upset the host's DHCP.
const HIGH_OCTET: u8 = 0xfe;

/// The interface is up; `netdevice(7)`. The C library's constant is wider than the member it goes into.
const IFF_UP: i16 = 1;

/// Makes an interface a port of a bridge; Linux: `include/uapi/linux/sockios.h`.
const SIOCBRADDIF: libc::c_ulong = 0x89a2;

/// Makes a tap device, gives it the MTU of `bridge`, makes it a port of `bridge` and brings it up.
///
/// Fails when there is no such bridge, or without the capability for network administration.
pub(super) fn on_bridge(bridge: &str) -> io::Result<OwnedFd> {
    let control = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let control = Control(control.as_fd());
    let mut of_bridge = named(bridge)?;
    control.call(libc::SIOCGIFMTU, &mut of_bridge)?;

    let (tap, name) = make()?;
    let mut request = named(&name)?;
    control.call(libc::SIOCGIFHWADDR, &mut request)?;
    set_high(&mut request);
    control.call(libc::SIOCSIFHWADDR, &mut request)?;

    request.ifr_ifru = of_bridge.ifr_ifru;
    control.call(libc::SIOCSIFMTU, &mut request)?;

    let mut port = named(&name)?;
    control.call(libc::SIOCGIFINDEX, &mut port)?;
    port.ifr_name = of_bridge.ifr_name;
    control.call(SIOCBRADDIF, &mut port)?;

    control.call(libc::SIOCGIFFLAGS, &mut request)?;
    set_up(&mut request);
    control.call(libc::SIOCSIFFLAGS, &mut request)?;
    Ok(tap)
}

/// The socket over which interfaces are configured; `netdevice(7)`.
struct Control<'a>(BorrowedFd<'a>);

impl Control<'_> {
    fn call(&self, what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        ioctl(self.0, what, request)
    }
}

/// A new tap device and the name that the kernel gave it.
fn make() -> io::Result<(OwnedFd, String)> {
    let tap: OwnedFd = File::options().read(true).write(true).open("/dev/net/tun")?.into();
    let mut request = named("vmrun%d")?;
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = i16::try_from(flags).map_err(io::Error::other)?;
    ioctl(tap.as_fd(), libc::TUNSETIFF, &mut request)?;
    let name = request.ifr_name.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte.cast_unsigned()));
    Ok((tap, name.collect()))
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
