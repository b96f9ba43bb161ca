//! The control socket for `tests/fuzz`: any bytes from a client, and what it hears.

use super::{Desk, Pins, Status, serve};
use crate::supervise::chronicle::Chronicle;
use crate::supervise::interrupts::Interrupts;
use std::io::Write;
use std::net::Shutdown;
use std::rc::Rc;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// A guest without QEMU, served.
struct Served {
    runtime: Runtime,
    desk: Rc<Desk>,
}

thread_local! {
    static SERVED: Served = Served::new().expect("a folder and a runtime");
}

impl Served {
    fn new() -> std::io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("vmrun-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let status = Status {
            name: "fuzz".into(),
            state: "running".into(),
            guest: None,
            supervisor: 1,
            qemu: None,
            since: 0,
            vcpus: 1,
            memory: "1G".into(),
            devices: Vec::new(),
            pins: Pins::default(),
            services: Vec::new(),
            logs: dir.clone(),
            events: Vec::new(),
        };
        let desk = Desk::new(status, dir.clone(), Chronicle::open(&dir)?, Interrupts::default());
        Ok(Self { runtime: Builder::new_current_thread().enable_all().build()?, desk: Rc::new(desk) })
    }
}

/// All that a client hears who says `bytes`, which fit into a socket, and leaves.
///
/// # Panics
/// When there is no socket to be had.
#[must_use]
pub fn fuzz_control(bytes: &[u8]) -> Vec<u8> {
    SERVED.with(|served| served.runtime.block_on(answers(bytes, &served.desk)))
}

async fn answers(bytes: &[u8], desk: &Rc<Desk>) -> Vec<u8> {
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("two ends");
    theirs.write_all(bytes).expect("room");
    theirs.shutdown(Shutdown::Write).expect("it is open");
    let [ours, mut theirs] = [ours, theirs].map(|end| {
        end.set_nonblocking(true).expect("a socket");
        UnixStream::from_std(end).expect("a socket")
    });
    let (wishes, _wished) = mpsc::unbounded_channel();
    let mut heard = Vec::new();
    let hear = async { theirs.read_to_end(&mut heard).await };
    let (heard_all, ()) = tokio::join!(hear, serve::serve(ours, Rc::clone(desk), wishes));
    // One who is not read to the end is cut off by the kernel; what it heard until then counts.
    let _ = heard_all;
    heard
}

#[cfg(test)]
#[test]
fn whatever_a_client_says_is_answered_line_by_line() {
    crate::supervise::mutate::feed(&["tests/fuzz/corpus/control"], 2000, |bytes| {
        let answers = fuzz_control(bytes);
        for line in answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let answer: serde_json::Value = serde_json::from_slice(line).expect("an answer is JSON");
            assert!(answer.get("return").is_some() != answer.get("error").is_some(), "{answer}");
        }
    });
}
