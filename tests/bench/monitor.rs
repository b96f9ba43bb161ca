//! The least that somebody can do who starts a QEMU with its threads in place: the reference for vmrun's own time.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts `argv`, has each vCPU's thread on a host CPU, and lets the guest run. The socket at `path` is its monitor.
pub(crate) fn supervised(argv: &[String], path: &Path) -> Child {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).expect("a socket");
    let client = UnixStream::connect(path).expect("a client of it");
    let mut command = Command::new(&argv[0]);
    // As standard input, since that needs no code between fork and exec.
    command.args(&argv[1..]).args(["-chardev", "socket,id=qmp,fd=0,server=on,wait=off", "-mon"]);
    command.arg("chardev=qmp,mode=control").stdin(OwnedFd::from(listener)).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("QEMU");
    run_pinned(client);
    child
}

fn run_pinned(mut client: UnixStream) {
    let mut lines = BufReader::new(client.try_clone().expect("a second handle")).lines();
    let ahead = "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-cpus-fast\",\"id\":1}\n";
    client.write_all(ahead.as_bytes()).expect("a monitor");
    let vcpus = loop {
        let line = lines.next().expect("an answer").expect("a line");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        if said["id"] == 1 {
            break said["return"].clone();
        }
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    for (index, vcpu) in vcpus.as_array().into_iter().flatten().enumerate() {
        let mut mask = CpuSet::new();
        mask.set(index % cpus).expect("a host CPU");
        let tid = vcpu["thread-id"].as_i64().and_then(|tid| i32::try_from(tid).ok()).expect("a thread");
        sched_setaffinity(Pid::from_raw(tid), &mask).expect("a thread of QEMU");
    }
    client.write_all(b"{\"execute\":\"cont\"}\n").expect("a monitor");
    // QEMU would block on a monitor that nobody reads.
    std::thread::spawn(move || lines.for_each(drop));
}
