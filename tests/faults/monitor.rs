//! A QEMU that does not answer, or answers somebody else.

use crate::support::setup::qemus;
use crate::support::vmrun::{Bench, Run};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::Command;

/// A bench whose guest waits for its power button, and the vmrun that runs it.
fn waiting(qemu: &std::path::Path) -> (Bench, Run) {
    let bench = Bench::new(qemu);
    let profile = bench.profile("then=wait", "");
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    bench.wait_for_serial("waiting");
    (bench, run)
}

fn status(bench: &Bench) -> Value {
    let output = bench.output(&["status", "guest", "--json"]);
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["vmrun"].take()
}

fn signal(name: &str, pid: &Value) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

fn assert_powers_off(bench: &Bench, run: Run) {
    run.signal("TERM");
    let ended = run.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_020_a_qemu_that_is_stuck_is_told_to_who_asks_and_left_alone() {
    for qemu in qemus() {
        let (bench, run) = waiting(&qemu.binary);
        let pid = status(&bench)["qemu"].clone();
        signal("-STOP", &pid);
        assert_eq!(status(&bench)["guest"], "unresponsive");
        signal("-CONT", &pid);
        assert_eq!(status(&bench)["guest"], "running");
        assert_powers_off(&bench, run);
    }
}

#[test]
fn row_023_a_monitor_that_somebody_else_is_connected_to_is_named_and_the_guest_goes_on() {
    for qemu in qemus() {
        let (bench, first) = waiting(&qemu.binary);
        first.signal("KILL");
        first.end();
        let stranger = UnixStream::connect(bench.path("runtime/guest/qmp.sock")).unwrap();
        let mut stranger = BufReader::new(stranger);
        let mut greeting = String::new();
        stranger.read_line(&mut greeting).unwrap();
        assert!(greeting.contains("QMP"), "{greeting}");
        let refused = bench.run(&["attach", "guest"]);
        assert_ne!(refused.code, Some(0), "{}", refused.text());
        assert!(refused.text().contains("somebody else is connected to qmp.sock"), "{}", refused.text());
        drop(stranger);
        let mut second = bench.start(&["attach", "guest"]);
        second.until("guest taken over");
        assert_powers_off(&bench, second);
    }
}
