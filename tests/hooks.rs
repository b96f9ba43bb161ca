//! Hooks and companions beside a guest: when they run, what their failures do, and how they end. Real QEMU.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use support::program;
use support::setup::qemus;
use support::vmrun::{Bench, assert_clean_end};

#[test]
fn a_failing_hook_vetoes_the_start_and_what_was_done_is_taken_back() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let log = bench.path("order");
    let note = |word: &str| format!("[\"sh\", \"-c\", \"echo {word} >> {}\"]", log.display());
    let hooks = format!(
        "[[hook]]\nat = \"pre\"\nrun = {}\nundo = {}\n[[hook]]\nat = \"prepared\"\nname = \"gate\"\n\
         run = [\"sh\", \"-c\", \"echo not today; exit 3\"]\nundo = {}\n[[hook]]\nat = \"post\"\nrun = {}\n",
        note("done"),
        note("undone"),
        note("never"),
        note("post"),
    );
    let profile = bench.profile("then=hang", &hooks);
    let ended = bench.run(&[profile.to_str().unwrap()]);
    assert_clean_end(&bench, &ended, 20, "gate");
    assert!(ended.text().contains("not today") && ended.text().contains("exit 3"), "{}", ended.text());
    assert_eq!(fs::read_to_string(&log).unwrap(), "done\nundone\npost\n");
}

#[test]
fn an_undo_runs_where_its_hook_ran_and_is_told_its_phase() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    fs::write(bench.path("mark.sh"), "echo $VMRUN_PHASE $VMRUN_NAME >>marks\n").unwrap();
    let hook = "[[hook]]\nat = \"pre\"\nrun = [\"sh\", \"mark.sh\"]\nundo = [\"sh\", \"mark.sh\"]\n";
    let profile = bench.profile("then=poweroff", hook);
    let ended = bench.run(&[profile.to_str().unwrap()]);
    assert_clean_end(&bench, &ended, 0, "powered off");
    assert_eq!(fs::read_to_string(bench.path("marks")).unwrap(), "pre guest\nundo guest\n");
}

#[test]
fn a_hook_may_ask_vmrun_while_vmrun_waits_for_it() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let ask = format!("[\"sh\", \"-c\", \"{} status guest; test $? = 6\"]", env!("CARGO_BIN_EXE_vmrun"));
    let profile = bench.profile("then=poweroff", &format!("[[hook]]\nat = \"started\"\nname = \"ask\"\nrun = {ask}\n"));
    let ended = bench.run(&[profile.to_str().unwrap()]);
    assert_clean_end(&bench, &ended, 0, "booting");
}

#[test]
fn a_hook_may_ask_vmrun_when_qemu_is_gone_already() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let ask = format!(
        "while [ -e /proc/$VMRUN_PID ]; do sleep 0.02; done; {} status guest; echo asked >asked",
        env!("CARGO_BIN_EXE_vmrun")
    );
    let hook = format!("[[hook]]\nat = \"stopping\"\nname = \"ask\"\nrun = [\"sh\", \"-c\", \"{ask}\"]\n");
    let profile = bench.profile("then=wait", &hook);
    let run = bench.start(&[profile.to_str().unwrap()]);
    bench.wait_for_serial("waiting");
    assert!(bench.output(&["stop", "guest"]).status.success());
    assert_clean_end(&bench, &run.end(), 0, "powered off");
    assert!(bench.path("asked").exists(), "vmrun did not answer, and the hook was ended");
}

#[test]
fn a_qemu_that_dies_while_a_hook_runs_before_the_guest_is_not_waited_for() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let hook = "[[hook]]\nat = \"started\"\ntimeout = \"1h\"\nrun = [\"sh\", \"-c\", \"kill -9 $VMRUN_PID; exec sleep 3600\"]\n";
    let profile = bench.profile("then=wait", hook);
    let ended = bench.run(&[profile.to_str().unwrap()]);
    assert_clean_end(&bench, &ended, 30, "QEMU ended before the guest ran");
}

#[test]
fn hooks_of_a_guest_that_reboots_faster_than_they_run_do_not_pile_up() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let script = "echo hook >>resets; until [ -e go ]; do sleep 0.02; done";
    let hook = format!("[[hook]]\nat = \"reset\"\nrun = [\"sh\", \"-c\", \"{script}\"]\n");
    let profile = bench.profile("then=reset resets=200", &hook);
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    for _ in 0..6 {
        run.until("the guest reboots");
    }
    bench.write("go", "");
    assert!(bench.output(&["stop", "--force", "guest"]).status.success());
    assert_clean_end(&bench, &run.end(), 35, "");
    let resets = fs::read_to_string(bench.path("resets")).unwrap();
    assert!((1..=3).contains(&resets.lines().count()), "{resets}");
}

#[test]
fn the_others_are_read_on_when_a_required_companion_is_lost() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    // More than a pipe holds, so that only who is read comes to the end of it.
    let talk = "until [ -e lost ]; do sleep 0.02; done; yes | head -c 1000000; touch said; exec sleep 600";
    let services = format!(
        "[[service]]\nname = \"frail\"\nrestart = \"no\"\nrequired = true\n\
         run = [\"sh\", \"-c\", \"until [ -e go ]; do sleep 0.02; done\"]\n\
         [[service]]\nname = \"talks\"\nrun = [\"sh\", \"-c\", \"{talk}\"]\n"
    );
    let profile = bench.profile("then=hang", &services);
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("guest running");
    bench.write("go", "");
    run.until("power button pressed");
    bench.write("lost", "");
    while !bench.path("said").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(bench.output(&["stop", "--force", "guest"]).status.success());
    assert_eq!(run.end().code, Some(21));
}

#[test]
fn a_required_companion_that_is_lost_ends_the_guest() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let service = "[[service]]\nname = \"frail\"\nrun = [\"sh\", \"-c\", \"sleep 1; exit 7\"]\nrestart = \"no\"\nrequired = true\n\
                   [stop]\ntimeout = \"20s\"\n";
    let profile = bench.profile("then=wait", service);
    let ended = bench.run(&[profile.to_str().unwrap()]);
    assert_clean_end(&bench, &ended, 21, "frail");
}

#[test]
fn companions_and_hooks_are_ended_in_reverse_order() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let log = bench.path("order");
    let service = |name: &str| {
        let script = format!(
            "trap 'echo {name} off >> {0}; exit' TERM; echo {name} on >> {0}; touch {1}; while :; do sleep 1; done",
            log.display(),
            bench.path(name).display()
        );
        format!("[[service]]\nname = \"{name}\"\nrun = [\"sh\", \"-c\", \"{script}\"]\nready_file = \"{name}\"\n")
    };
    let hooks = ["pre", "prepared", "started", "running", "stopped", "post"]
        .map(|at| format!("[[hook]]\nat = \"{at}\"\nrun = [\"sh\", \"-c\", \"echo {at} >> {}\"]\n", log.display()));
    let profile = bench.profile("then=wait", &[service("one"), service("two"), hooks.concat()].concat());
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    bench.wait_for_serial("waiting");
    run.signal("TERM");
    assert_clean_end(&bench, &run.end(), 0, "the guest powered off");
    let order = fs::read_to_string(&log).unwrap();
    let order: Vec<_> = order.lines().collect();
    assert_eq!(
        order,
        ["pre", "one on", "two on", "prepared", "started", "running", "stopped", "two off", "one off", "post"]
    );
}

#[test]
fn a_tree_of_libvirt_hooks_runs_unchanged() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let log = bench.path("order");
    for point in ["prepare/begin", "start/begin", "started/begin", "stopped/end", "release/end"] {
        let folder = bench.path("qemu.d/guest").join(point);
        fs::create_dir_all(&folder).unwrap();
        let script = folder.join("note.sh");
        program::write(&script, &format!("#!/bin/sh\necho \"$@\" >> {}\n", log.display()));
    }
    let text = fs::read_to_string(bench.profile("then=poweroff", "")).unwrap();
    let profile =
        bench.write("guest.toml", &text.replacen("schema = 1", "schema = 1\nhooks_dir = \"qemu.d/guest\"", 1));
    assert_clean_end(&bench, &bench.run(&[profile.to_str().unwrap()]), 0, "the guest powered off");
    let order = fs::read_to_string(&log).unwrap();
    let expected = ["prepare begin", "start begin", "started begin", "stopped end", "release end"];
    assert_eq!(order.lines().collect::<Vec<_>>(), expected.map(|words| format!("guest {words} -")));
}
