//! The sound servers of the user who sits at the machine.

use super::Root;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// Sockets of sound servers of the user `uid` that somebody listens on: `PulseAudio`'s (which `PipeWire` serves too) and
/// `PipeWire`'s own, both below `/run/user/UID`; `pam_systemd(8)`, `pulse-daemon.conf(5)`, `pipewire(1)`.
///
/// A file without a listener is left over from a server that died. QEMU does not start with one.
pub(super) fn servers(root: &Root, uid: u32) -> Vec<PathBuf> {
    let folder = PathBuf::from(format!("/run/user/{uid}"));
    let sockets = ["pulse/native", "pipewire-0"].map(|name| folder.join(name));
    sockets.into_iter().filter(|socket| UnixStream::connect(root.resolve(socket)).is_ok()).collect()
}

#[cfg(test)]
mod test {
    use super::servers;
    use crate::host::tree::lay_out;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    #[test]
    fn only_a_socket_with_a_listener_is_a_server() {
        let tree = lay_out(&[("/run/user/1000/pulse/x", "")]);
        let _pulse = UnixListener::bind(tree.root.resolve("/run/user/1000/pulse/native")).unwrap();
        // Nobody ever listens, rather than no longer: a child that another test forks just now would hold a listener.
        let unheard = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let left_over = tree.root.resolve("/run/user/1000/pipewire-0");
        bind(unheard.as_raw_fd(), &UnixAddr::new(&left_over).unwrap()).unwrap();
        assert!(left_over.exists());
        assert_eq!(servers(&tree.root, 1000), [PathBuf::from("/run/user/1000/pulse/native")]);
    }
}
