//! Opens what QEMU inherits.

use super::QemuError;
use super::tap::{self, Device};
use crate::plan::{Descriptor, Tap, TapFrom};
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Name of the monitor's socket in the folder of the run.
pub const QMP_SOCKET: &str = "qmp.sock";

/// Bytes that fit into `sun_path` together with the byte 0 at its end; `unix(7)`.
const SUN_PATH: usize = 108;

/// Clients that may wait at the monitor's socket; QEMU serves one at a time.
const BACKLOG: i32 = 8;

/// The opened descriptors.
#[derive(Debug)]
pub(super) struct Opened {
    /// QEMU's ends, in the order of the plan.
    pub(super) theirs: Vec<OwnedFd>,
    /// The monitor, connected before QEMU runs.
    pub(super) qmp: UnixStream,
    /// The other end of the serial port.
    pub(super) serial: Option<UnixStream>,
}

/// Name of the socket of the serial port that vmrun holds, in the folder of the run.
const CONSOLE_SOCKET: &str = "console.sock";

/// Path of the serial port's socket of a run with its files in `run_dir`. QEMU serves one client: vmrun.
#[must_use]
pub(super) fn console_socket(run_dir: &Path) -> PathBuf {
    run_dir.join(CONSOLE_SOCKET)
}

/// Path of the monitor's socket of a run with its files in `run_dir`.
#[must_use]
pub fn qmp_socket(run_dir: &Path) -> PathBuf {
    run_dir.join(QMP_SOCKET)
}

/// Opens `wanted`; the monitor's socket in `run_dir`.
pub(super) fn open(wanted: &[Descriptor], run_dir: &Path) -> Result<Opened, QemuError> {
    let (mut qmp, mut serial) = (None, None);
    let mut device: Option<Device> = None;
    let mut theirs = Vec::with_capacity(wanted.len());
    for descriptor in wanted {
        theirs.push(match descriptor {
            Descriptor::Qmp => connected(&qmp_socket(run_dir), "monitor", &mut qmp)?,
            Descriptor::Serial | Descriptor::Console => {
                connected(&console_socket(run_dir), "serial port", &mut serial)?
            }
            Descriptor::Tap(tap) => first(&mut device, tap::open(tap), || tap_name(tap))?,
            Descriptor::Macvtap { name, multi_queue } => {
                first(&mut device, tap::open_macvtap(name, *multi_queue), || format!("the macvtap device {name}"))?
            }
            Descriptor::Queue => further(device.as_ref())?,
            Descriptor::VhostNet => open_path(Path::new("/dev/vhost-net"))?,
            Descriptor::File { path } => open_path(path)?,
            Descriptor::CpuLatency { micros } => latency(*micros)?,
        });
    }
    // Without its monitor QEMU could be neither pinned nor ended.
    let qmp = qmp.ok_or_else(|| failed("the monitor socket".into(), io::Error::other("the plan has none")))?;
    Ok(Opened { theirs, qmp, serial })
}

/// A socket that listens at `path`, with a client of ours in `place`: whoever adopts the guest later connects anew.
fn connected(path: &Path, what: &str, place: &mut Option<UnixStream>) -> Result<OwnedFd, QemuError> {
    let named = |source| failed(format!("the {what}'s socket {}", path.display()), source);
    let listening = listen_at(path).map_err(named)?;
    once(place, UnixStream::connect(path).map_err(named)?, &format!("a second {what}"))?;
    Ok(listening)
}

fn failed(what: String, source: io::Error) -> QemuError {
    QemuError::Descriptor { what, source }
}

fn once(place: &mut Option<UnixStream>, stream: UnixStream, what: &str) -> Result<(), QemuError> {
    match place.replace(stream) {
        None => Ok(()),
        Some(_) => Err(failed(what.into(), io::Error::other("a run has one"))),
    }
}

/// The first queue of a device, which is kept for its further ones.
fn first(
    place: &mut Option<Device>,
    opened: io::Result<(OwnedFd, Device)>,
    name: impl FnOnce() -> String,
) -> Result<OwnedFd, QemuError> {
    let (queue, device) = opened.map_err(|source| failed(name(), source))?;
    *place = Some(device);
    Ok(queue)
}

fn further(device: Option<&Device>) -> Result<OwnedFd, QemuError> {
    let queue = device.map_or_else(|| Err(io::Error::other("the plan has no device before it")), Device::queue);
    queue.map_err(|source| failed("a further queue of a tap device".into(), source))
}

fn tap_name(tap: &Tap) -> String {
    match &tap.from {
        TapFrom::Bridge(bridge) => format!("a tap device on bridge {bridge}"),
        TapFrom::New(name) => format!("the new tap device {name}"),
        TapFrom::Existing(name) => format!("the tap device {name}"),
    }
}

fn open_path(path: &Path) -> Result<OwnedFd, QemuError> {
    let opened = File::options().read(true).write(true).open(path);
    opened.map(OwnedFd::from).map_err(|source| failed(path.display().to_string(), source))
}

/// The kernel reads a signed number of 32 bits, and forgets it when the last copy of the descriptor is closed.
fn latency(micros: u32) -> Result<OwnedFd, QemuError> {
    const PATH: &str = "/dev/cpu_dma_latency";
    let fail = |source| failed(PATH.into(), source);
    let mut file = File::options().write(true).open(PATH).map_err(fail)?;
    let bytes = i32::try_from(micros).unwrap_or(i32::MAX).to_ne_bytes();
    file.write_all(&bytes).map_err(fail)?;
    Ok(file.into())
}

/// A socket that listens at `path`, for its owner only. One that an earlier run left there is taken away.
fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    let length = path.as_os_str().as_bytes().len();
    if length >= SUN_PATH {
        let most = SUN_PATH - 1;
        let why = format!("the path is {length} bytes long; a socket's holds at most {most}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Linux gives the path the mode of the socket (unix_bind_bsd, net/unix/af_unix.c), so nobody else ever gets in.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod test {
    use super::{open, qmp_socket};
    use crate::plan::Descriptor;
    use crate::qemu::QemuError;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_monitor_socket_is_for_its_owner_only_and_replaces_a_stale_one() {
        let folder = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(qmp_socket(folder.path())).unwrap());
        let opened = open(&[Descriptor::Qmp], folder.path()).unwrap();
        let mode = std::fs::metadata(qmp_socket(folder.path())).unwrap().permissions().mode();
        assert_eq!((opened.theirs.len(), mode & 0o777), (1, 0o600));
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(120));
        let Err(QemuError::Descriptor { source, .. }) = open(&[Descriptor::Qmp], &deep) else { panic!("refused") };
        assert!(source.to_string().contains("107"), "{source}");
    }

    #[test]
    fn a_plan_without_a_monitor_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(open(&[Descriptor::Serial], folder.path()), Err(QemuError::Descriptor { .. })));
    }
}
