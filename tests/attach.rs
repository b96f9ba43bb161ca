//! A vmrun that is killed: the guest runs on, and another vmrun takes its place. Real QEMU, both versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::setup::{qemus, run};
use support::vmrun::{Bench, Run};

/// A hook at each of these points that notes it, and one whose undo does.
fn noting(bench: &Bench, points: &[&str]) -> String {
    let log = bench.path("order");
    let note = |word: &str| format!("[\"sh\", \"-c\", \"echo {word} >> {}\"]", log.display());
    let hooks = points.iter().map(|at| format!("[[hook]]\nat = \"{at}\"\nrun = {}\n", note(at)));
    let owed = format!("[[hook]]\nat = \"pre\"\nrun = [\"true\"]\nundo = {}\n", note("undone"));
    hooks.collect::<String>() + &owed
}

fn order(bench: &Bench) -> String {
    fs::read_to_string(bench.path("order")).unwrap_or_default().replace('\n', " ")
}

fn status(bench: &Bench) -> Value {
    serde_json::from_slice(&bench.output(&["status", "guest", "--json"]).stdout).unwrap()
}

fn killed(run: Run) {
    run.signal("KILL");
    run.end();
}

/// Waits until `done`; a test that breaks here is ended by its runner.
fn until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn alive(pid: u64) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn a_guest_whose_vmrun_was_killed_is_taken_over_with_everything_that_belongs_to_it() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let more = noting(&bench, &["started", "running", "reconnect", "stopped", "post"]);
        let more = format!(
            "{more}[cpu.pinning]\nvcpus = [0]\nemulator = \"1\"\n\
             [[service]]\nname = \"keeps\"\nrun = [\"sleep\", \"1000\"]\n\
             [[service]]\nname = \"dies\"\nrun = [\"sleep\", \"1001\"]\nstart = \"after\"\n"
        );
        let profile = bench.profile("then=wait", &more);
        let mut first = bench.start(&[profile.to_str().unwrap()]);
        first.until("guest running");
        until(|| order(&bench) == "started running " && status(&bench)["vmrun"]["services"][1]["process"].is_object());
        let before = status(&bench)["vmrun"].clone();
        let (qemu, dies) =
            (before["qemu"].as_u64().unwrap(), before["services"][1]["process"]["pid"].as_u64().unwrap());
        killed(first);
        assert!(alive(qemu));
        assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(4));
        run(std::process::Command::new("kill").args(["-9", &dies.to_string()]));
        run(std::process::Command::new("taskset").args(["-a", "-p", "2", &qemu.to_string()]));

        let mut second = bench.start(&["attach", "guest"]);
        second.until("guest taken over");
        until(|| order(&bench) == "started running reconnect ");
        let after = status(&bench)["vmrun"].clone();
        assert_eq!((&after["qemu"], &after["since"]), (&before["qemu"], &before["since"]));
        assert_eq!(after["services"][0], before["services"][0], "one that ran is not doubled");
        assert_ne!(after["services"][1]["process"], before["services"][1]["process"], "one that died is started again");
        assert_eq!(after["pins"]["moved"], serde_json::json!([]), "every thread is in its place again");
        assert_eq!(bench.run(&["attach", "guest"]).code, Some(14), "there is one vmrun for a guest");

        until(|| bench.serial().contains("waiting"));
        assert!(bench.output(&["stop", "guest"]).status.success());
        let ended = second.end();
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        assert_eq!(order(&bench), "started running reconnect stopped undone post ");
        assert_eq!(bench.leftovers(), Vec::<String>::new());
        let runs = fs::read_dir(bench.path("state/guest/runs")).unwrap().count();
        assert_eq!(runs, 1, "it is still the same run");
    }
}

#[test]
fn starting_the_profile_again_takes_the_guest_over_too() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=wait", &noting(&bench, &["running", "reconnect"]));
    let mut first = bench.start(&[profile.to_str().unwrap()]);
    first.until("guest running");
    until(|| order(&bench) == "running ");
    killed(first);
    let mut second = bench.start(&[profile.to_str().unwrap()]);
    second.until("takes its place");
    second.until("guest taken over");
    until(|| order(&bench) == "running reconnect ");
    killed(second);
    let mut third = bench.start(&[profile.to_str().unwrap()]);
    third.until("guest taken over");
    until(|| order(&bench) == "running reconnect reconnect ");
    let qemu = status(&bench)["vmrun"]["qemu"].as_u64().unwrap();
    run(std::process::Command::new("kill").args(["-SEGV", &qemu.to_string()]));
    let ended = third.end();
    assert_eq!(ended.code, Some(31), "{}", ended.text());
    assert!(ended.text().contains("nobody saw how"), "{}", ended.text());
    assert_eq!(order(&bench), "running reconnect reconnect undone ");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_qemu_whose_guest_never_ran_is_ended_by_the_recovery() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let reached = bench.path("reached");
    let wait = format!(
        "[[hook]]\nat = \"started\"\nrun = [\"sh\", \"-c\", \"touch {}; exec sleep 1000\"]\ntimeout = \"1h\"\n",
        reached.display()
    );
    let profile = bench.profile("then=wait", &(noting(&bench, &[]) + &wait));
    let run = bench.start(&[profile.to_str().unwrap()]);
    until(|| reached.exists());
    killed(run);
    assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(4));
    let recover = bench.output(&["recover", "guest"]);
    assert!(recover.status.success(), "{recover:?}");
    assert_eq!(order(&bench), "undone ");
    assert!(!Path::new(&bench.path("runtime/guest")).exists());
    assert!(!bench.leftovers().iter().any(|left| left.contains("guest=guest")), "{:?}", bench.leftovers());
}

#[test]
fn a_reboot_can_be_a_cold_start_without_hooks() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let more = noting(&bench, &["started", "running", "stopped", "post"]);
        let more = format!(
            "{more}[on]\nreboot = \"restart\"\n[[service]]\nname = \"stays\"\nrun = [\"sleep\", \"1000\"]\n\
             [[service]]\nname = \"of-qemu\"\nrun = [\"sleep\", \"1001\"]\nrestart = \"no\"\n"
        );
        let profile = bench.profile("then=wait", &more);
        let mut guest = bench.start(&[profile.to_str().unwrap()]);
        guest.until("guest running");
        until(|| bench.serial().contains("waiting") && order(&bench) == "started running ");
        let pids = |status: &Value| {
            let service = |index: usize| status["vmrun"]["services"][index]["process"]["pid"].as_u64();
            (status["vmrun"]["qemu"].as_u64(), service(0), service(1))
        };
        let (qemu, stays, of_qemu) = pids(&status(&bench));
        assert!(bench.output(&["reset", "guest"]).status.success());
        guest.until("QEMU is started anew");
        until(|| status(&bench)["state"] == "running" && pids(&status(&bench)).0 != qemu);
        let after = pids(&status(&bench));
        assert_eq!((after.1, after.2 == of_qemu), (stays, false));
        until(|| bench.serial().contains("waiting"));
        assert!(bench.output(&["stop", "guest"]).status.success());
        assert_eq!(guest.end().code, Some(0));
        assert_eq!(order(&bench), "started running stopped undone post ");
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    }
}
