//! What the companions share: ports, and waiting for a program without asking it again and again.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A TCP port of the loopback address that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A child that ends with this value: its process group gets SIGKILL, should it still run.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Starts `command` as the leader of a process group of its own.
    ///
    /// Samba's `smbd --no-process-group` passes a SIGTERM on to the whole group it is in.
    pub(crate) fn start(command: &mut Command) -> Self {
        match command.process_group(0).spawn() {
            Ok(child) => Self(child),
            Err(why) => panic!("{command:?}: {why}; run contrib/test-setup"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child that was waited for has no group any more, and its number may be another's.
        if let Ok(None) = self.0.try_wait() {
            let group = Pid::from_raw(self.0.id().cast_signed());
            killpg(group, Signal::SIGKILL).expect("the group of a child that runs");
            let _ = self.0.wait();
        }
    }
}
