//! A vmrun that is killed: the guest runs on, and another vmrun takes its place. Real QEMU, both versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde_json::Value;
use std::fs;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
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

/// Whether all that comes with a guest that runs had its turn, and that is written down.
fn is_accompanied(bench: &Bench) -> bool {
    fs::read_to_string(bench.path("runtime/guest/state.json")).is_ok_and(|state| state.contains("\"accompanied\""))
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
        until(|| status(&bench)["vmrun"]["services"][1]["process"].is_object() && is_accompanied(&bench));
        assert_eq!(order(&bench), "started running ");
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
        let third = bench.run(&["attach", "guest"]);
        assert_eq!(third.code, Some(14), "there is one vmrun for a guest");
        assert!(third.text().contains("cannot be taken over: it is running with its supervisor"), "{}", third.text());

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
    until(|| order(&bench) == "running " && is_accompanied(&bench));
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
fn a_hook_that_runs_when_its_vmrun_is_killed_is_ended_before_it_is_taken_back() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let hook = |at: &str, more: &str| {
        let script = "echo $$ >hook; exec sleep 600; touch late";
        format!(
            "[[hook]]\nat = \"{at}\"\nname = \"slow\"\ntimeout = \"600s\"\nrun = [\"sh\", \"-c\", \"{script}\"]\n{more}"
        )
    };
    let pid = || fs::read_to_string(bench.path("hook")).ok()?.trim().parse::<u64>().ok();
    let profile = bench.profile(
        "then=wait",
        &hook(
            "pre",
            "undo = [\"sh\", \"-c\", \"grep -q '^State:.[RSDT]' /proc/$(cat hook)/status || touch undone\"]\n",
        ),
    );
    let first = bench.start(&[profile.to_str().unwrap()]);
    until(|| pid().is_some());
    killed(first);
    let foretold = bench.output(&["recover", "guest", "--dry-run"]);
    let line = format!("kill {}   # hook slow", pid().unwrap());
    assert!(String::from_utf8_lossy(&foretold.stderr).contains(&line), "{foretold:?}");
    assert_eq!(bench.run(&["recover", "guest"]).code, Some(0));
    assert!(!alive(pid().unwrap()) && bench.path("undone").exists());
    assert_eq!(bench.leftovers(), Vec::<String>::new());

    // Taken over, its guest gets the hook once more, and not twice at one time.
    fs::remove_file(bench.path("hook")).unwrap();
    let profile = bench.profile("then=wait", &hook("running", ""));
    let second = bench.start(&[profile.to_str().unwrap()]);
    until(|| pid().is_some());
    let before = pid().unwrap();
    killed(second);
    let third = bench.start(&["attach", "guest"]);
    until(|| pid().is_some_and(|now| now != before));
    assert!(!alive(before));
    assert!(bench.output(&["stop", "--force", "guest"]).status.success());
    assert_eq!(third.end().code, Some(35));
}

#[test]
fn a_companion_that_talks_lives_on_without_its_vmrun() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let talk = "while :; do echo here; echo said >>count; sleep 0.02; done";
    let service = format!(
        "[[service]]\nname = \"talks\"\nrequired = true\nrestart = \"no\"\nrun = [\"sh\", \"-c\", \"{talk}\"]\n"
    );
    let profile = bench.profile("then=wait", &service);
    let mut first = bench.start(&[profile.to_str().unwrap()]);
    first.until("guest running");
    let before = status(&bench)["vmrun"]["services"][0]["process"].clone();
    killed(first);
    let said = || fs::read_to_string(bench.path("count")).map_or(0, |text| text.lines().count());
    let heard = said();
    until(|| said() > heard + 20);
    let mut second = bench.start(&["attach", "guest"]);
    second.until("taken over");
    assert_eq!(status(&bench)["vmrun"]["services"][0]["process"], before);
    assert!(bench.output(&["stop", "--force", "guest"]).status.success());
    assert_eq!(second.end().code, Some(35));
}

#[test]
fn of_a_companion_the_recovery_ends_the_process_that_was_noted_and_not_what_it_started() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let script = "setsid sh -c 'echo $$ >child; exec sleep 600' & echo $$ >own; exec sleep 600";
    let more = format!("[[service]]\nrun = [\"sh\", \"-c\", \"{script}\"]\n");
    let twice = format!("{more}[[service]]\nrun = [\"sh\", \"-c\", \"echo $$ >second; exec sleep 600\"]\n");
    let profile = bench.profile("then=wait", &twice);
    let pid = |name: &str| fs::read_to_string(bench.path(name)).ok()?.trim().parse::<u64>().ok();
    let mut first = bench.start(&[profile.to_str().unwrap()]);
    first.until("guest running");
    until(|| ["child", "own", "second"].iter().all(|name| pid(name).is_some()));
    let qemu = status(&bench)["vmrun"]["qemu"].as_u64().unwrap();
    killed(first);
    run(std::process::Command::new("kill").args(["-9", &qemu.to_string()]));
    until(|| bench.run(&["recover", "guest"]).code == Some(0));
    assert_eq!(["own", "second", "child"].map(|name| alive(pid(name).unwrap())), [false, false, true]);
    run(std::process::Command::new("kill").args(["-9", &pid("child").unwrap().to_string()]));
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

/// Whether it stands in the run's state that the guest has shown a sign of life.
fn has_shown_life(bench: &Bench) -> bool {
    let text = fs::read(bench.path("runtime/guest/state.json")).unwrap_or_default();
    serde_json::from_slice::<Value>(&text).is_ok_and(|state| state["alive"] == true)
}

/// Kills `run`, and has the next vmrun wait for a sign of life for 100 ms, not for an hour.
fn killed_and_impatient(bench: &Bench, run: Run) -> Run {
    killed(run);
    let file = bench.path("runtime/guest/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(state["plan"]["dead_boot"], "1h", "{}", state["plan"]);
    state["plan"]["dead_boot"] = "100ms".into();
    fs::write(file, state.to_string()).unwrap();
    bench.start(&["attach", "guest"])
}

#[test]
fn a_guest_that_was_taken_over_still_has_to_show_a_sign_of_life_unless_it_did() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let disk = "[[disk]]\nfile = \"disk.raw\"\nformat = \"raw\"\n[on]\ndead_boot = \"1h\"\n";
        fs::File::create(bench.path("disk.raw")).unwrap().set_len(1 << 20).unwrap();
        let profile = bench.profile("then=wait", disk);
        let start = || {
            let mut run = bench.start(&[profile.to_str().unwrap()]);
            run.until("guest running");
            run
        };
        let ended = killed_and_impatient(&bench, start()).end();
        assert_eq!(ended.code, Some(36), "{}", ended.text());
        assert_eq!(bench.leftovers(), Vec::<String>::new());

        // Nobody is told that a disk was written to: it is looked for when the time is over.
        let first = start();
        bench.wait_for_serial("waiting");
        let write = "qemu-io -d /machine/peripheral/drive0/virtio-backend \"aio_write 0 512\"";
        let said = bench.output(&["hmp", "guest", write]);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let second = killed_and_impatient(&bench, first);
        until(|| has_shown_life(&bench));
        second.signal("TERM");
        assert_eq!(second.end().code, Some(0));

        // What the guest says is a sign at once, and stays one for the next vmrun.
        let text = fs::read_to_string(&profile).unwrap();
        let text = text.replace("to = \"file\"\npath = \"serial.log\"", "to = \"capture\"");
        fs::write(&profile, text).unwrap();
        let mut first = start();
        first.until("waiting");
        until(|| has_shown_life(&bench));
        let mut second = killed_and_impatient(&bench, first);
        second.until("guest taken over");
        second.signal("TERM");
        assert_eq!(second.end().code, Some(0));
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    }
}

/// Ends the connection of the QEMU `pid` with who has its monitor.
fn hang_up_monitor(pid: u64) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let qemu = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let descriptors = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_pid())).unwrap().flatten();
    let numbers = descriptors.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap());
    let streams = numbers.map(|number| UnixStream::from(pidfd_getfd(&qemu, number, PidfdGetfdFlags::empty()).unwrap()));
    let is_monitor = |stream: &UnixStream| {
        let address = stream.local_addr();
        stream.peer_addr().is_ok()
            && address.is_ok_and(|it| it.as_pathname().is_some_and(|it| it.ends_with("qmp.sock")))
    };
    let monitors: Vec<_> = streams.filter(is_monitor).collect();
    assert_eq!(monitors.len(), 1);
    monitors[0].shutdown(Shutdown::Both).unwrap();
}

#[test]
fn a_guest_whose_monitor_is_lost_is_told_of_and_another_vmrun_has_it_again() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let profile = bench.profile("then=wait", "");
        let mut first = bench.start(&[profile.to_str().unwrap()]);
        first.until("guest running");
        bench.wait_for_serial("waiting");
        hang_up_monitor(status(&bench)["vmrun"]["qemu"].as_u64().unwrap());
        let warning = first.until("monitor is lost");
        assert!(warning.contains(&format!("kill -QUIT {}", first.pid())), "{warning}");
        first.signal("QUIT");
        assert_eq!(first.end().code, Some(131));
        let mut second = bench.start(&["attach", "guest"]);
        second.until("guest taken over");
        assert!(bench.output(&["stop", "guest"]).status.success());
        assert_eq!(second.end().code, Some(0));
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    }
}
