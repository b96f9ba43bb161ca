//! What a run tells those around it: systemd, a program that reads JSON, a journal, a person who wants quiet; and how
//! each word after `demo --then` ends. Real QEMU.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::os::linux::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::setup::{Qemu, qemus};
use support::vmrun::Bench;

fn bench() -> Bench {
    let [_, qemu] = qemus();
    Bench::new(&qemu.binary)
}

#[test]
fn systemd_is_told_when_the_guest_runs_and_when_it_is_asked_to_stop() {
    let bench = bench();
    let manager = UnixDatagram::bind(bench.path("notify.sock")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let profile = bench.profile("then=wait", "");
    let mut command = bench.command();
    command.env("NOTIFY_SOCKET", bench.path("notify.sock")).args([profile.to_str().unwrap()]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let said = || {
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).expect("vmrun says something within a minute");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let first = said();
    assert!(first.contains("READY=1") && first.contains("STATUS=the guest runs"), "{first}");
    bench.wait_for_serial("waiting");
    assert!(Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap().success());
    let last = said();
    assert!(last.contains("STOPPING=1"), "{last}");
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn a_qemu_that_does_not_let_its_guest_run_is_waited_for_aloud() {
    let bench = bench();
    let stops =
        "[[hook]]\nat = \"started\"\nrun = [\"sh\", \"-c\", \"kill -STOP $VMRUN_PID; echo process=$VMRUN_PID\"]\n";
    let mut run = bench.start(&[bench.profile("then=poweroff", stops).to_str().unwrap()]);
    let line = run.until("process=");
    let qemu = line.split("process=").nth(1).unwrap();
    run.until("QEMU to let the guest run");
    assert!(Command::new("kill").args(["-CONT", qemu]).status().unwrap().success());
    assert_eq!(run.end().code, Some(0));
}

#[test]
fn sigquit_leaves_the_guest_to_itself() {
    let bench = bench();
    let profile = bench.profile("then=wait", "");
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    bench.wait_for_serial("waiting");
    run.signal("QUIT");
    let ended = run.end();
    assert_eq!(ended.code, Some(131), "{}", ended.text());
    assert!(ended.text().contains("vmrun attach guest"), "{}", ended.text());
    // It runs on, without its vmrun.
    assert_eq!(bench.run(&["status", "guest"]).code, Some(4));
}

#[test]
fn who_wants_quiet_hears_nothing_of_a_good_run() {
    let bench = bench();
    let profile = bench.profile("then=poweroff", "");
    let output = bench.output(&["--quiet", profile.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        ("".into(), "".into())
    );
}

#[test]
fn a_program_reads_the_run_as_lines_of_json_that_end_with_the_outcome() {
    let bench = bench();
    let profile = bench.profile("then=poweroff", "");
    let output = bench.output(&["--json", profile.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 3, "{text}");
    let last = lines.last().unwrap();
    assert_eq!(last["exit"], 0, "{text}");
    assert_eq!(last["end"]["ended"]["reason"], "powered_off", "{text}");
}

#[test]
fn in_the_journal_each_line_has_its_level_and_no_colour() {
    let bench = bench();
    let profile = bench.profile("then=panic", "");
    let file = std::fs::File::create(bench.path("journal")).unwrap();
    let metadata = file.metadata().unwrap();
    let mut command = bench.command();
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.st_dev(), metadata.st_ino()));
    let status = command.arg(profile).stdout(Stdio::null()).stderr(file).status().unwrap();
    assert_eq!(status.code(), Some(32));
    let journal = std::fs::read_to_string(bench.path("journal")).unwrap();
    assert!(journal.lines().all(|line| line.starts_with('<')), "{journal}");
    assert!(journal.lines().any(|line| line.starts_with("<4>") && line.contains("panicked")), "{journal}");
    assert!(!journal.contains('\u{1b}'), "{journal}");
}

/// The words of `vmrun demo --then`, under TCG on `qemu`.
fn demo<'a>(then: &'a str, binary: &'a str) -> [&'a str; 7] {
    ["demo", "--then", then, "--set", "machine.accel=tcg", "--set", binary]
}

fn named(qemu: &Qemu) -> String {
    format!("qemu.binary={}", qemu.binary.display())
}

#[test]
fn the_demo_ends_by_itself_as_it_was_told() {
    let [qemu, _] = qemus();
    let (bench, binary) = (Bench::new(&qemu.binary), named(&qemu));
    for (then, code, reason) in [
        ("poweroff", 0, "powered off"),
        ("reset", 0, "powered off"),
        ("panic", 32, "panicked"),
        ("crash", 33, "rebooted"),
    ] {
        let ended = bench.run(&demo(then, &binary));
        assert_eq!(ended.code, Some(code), "{then}: {}", ended.text());
        assert!(ended.text().contains(reason), "{then}: {}", ended.text());
    }
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_demo_that_does_not_end_is_forced_off_where_it_may_be() {
    let [_, qemu] = qemus();
    let (bench, binary) = (Bench::new(&qemu.binary), named(&qemu));
    for then in ["ignore", "hang", "spin"] {
        let late = ["--set", "stop.timeout=100ms", "--set", "stop.on_timeout=kill"];
        let mut run = bench.start(&[&demo(then, &binary)[..], &late].concat());
        run.until("guest running");
        run.signal("TERM");
        let ended = run.end();
        assert_eq!(ended.code, Some(35), "{then}: {}", ended.text());
    }
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}
