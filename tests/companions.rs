//! The companion services of the other tests do their work: a share is listed, a client is greeted.

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::barrier::{self, Barrier};
use support::companion::Running;
use support::samba::{self, Samba};

/// Far beyond any real start, so that a broken one ends the test.
const GIVE_UP: Duration = Duration::from_secs(120);

fn command(argv: &[String]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    command
}

fn signal(process: &Running, signal: Signal) {
    let pid = Pid::from_raw(process.0.id().cast_signed());
    kill(pid, signal).expect("the process runs");
}

/// Starts `smbd` and returns once it says that it is ready.
fn start_samba(samba: &Samba) -> Running {
    let dir = tempfile::tempdir().expect("a folder");
    let socket = dir.path().join("notify");
    let ready = UnixDatagram::bind(&socket).expect("a socket");
    ready.set_read_timeout(Some(GIVE_UP)).expect("a deadline");
    let running = Running::start(command(&samba.argv()).env("NOTIFY_SOCKET", &socket).stdout(Stdio::null()));
    let mut said = String::new();
    while !said.contains("READY=1") {
        let mut message = [0; 4096];
        let length = ready.recv(&mut message).expect("smbd says that it is ready");
        said.push_str(&String::from_utf8_lossy(&message[..length]));
    }
    running
}

/// Starts `barriers` and returns once it says that it listens.
fn start_barrier(barrier: &Barrier) -> Running {
    let mut running = Running::start(command(&barrier.argv()).stdout(Stdio::piped()));
    let said = BufReader::new(running.0.stdout.take().expect("a pipe"));
    let listening = said.lines().map_while(Result::ok).any(|line| line.contains(barrier::LISTENING));
    assert!(listening, "barriers ended before it listened");
    running
}

#[test]
fn samba_lists_its_share_while_it_runs_and_not_after() {
    let samba = Samba::prepare();
    assert!(samba.shares().is_err());

    let mut server = start_samba(&samba);
    let shares = samba.shares().expect("the shares");
    assert!(shares.contains(&format!("Disk|{}|", samba::SHARE)), "{shares}");
    let files = samba.files().expect("the files");
    assert!(files.contains(samba::FILE), "{files}");

    signal(&server, Signal::SIGTERM);
    let status = server.0.wait().expect("smbd ends");
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    assert!(samba.shares().is_err());
}

#[test]
fn barrier_greets_a_client_and_ends_well_on_sigterm() {
    let barrier = Barrier::prepare();
    assert!(!barrier.greets());

    let mut server = start_barrier(&barrier);
    assert!(barrier.greets());

    signal(&server, Signal::SIGTERM);
    assert!(server.0.wait().expect("barriers ends").success());
    assert!(!barrier.greets());
}

#[test]
fn barrier_can_be_killed_and_started_again_on_the_same_port() {
    let barrier = Barrier::prepare();
    let mut killed = start_barrier(&barrier);
    assert!(barrier.greets());
    signal(&killed, Signal::SIGKILL);
    killed.0.wait().expect("barriers ends");
    assert!(!barrier.greets());

    let _again = start_barrier(&barrier);
    assert!(barrier.greets());
}
