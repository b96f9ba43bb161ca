//! vmrun and QEMU stopped, cut off, killed or broken from inside, and a disk that fills up.

use crate::support::program;
use crate::support::setup::{Qemu, qemus};
use crate::support::vmrun::{Bench, Ended};
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

fn assert_ended(bench: &Bench, ended: &Ended, code: i32, text: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.text());
    assert!(ended.text().contains(text), "{text:?} is not in:\n{}", ended.text());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

/// A program that does `deed` in the place of the QEMU of a guest, and is QEMU for whoever only asks it something.
fn emulator(bench: &Bench, qemu: &Qemu, deed: &str) -> PathBuf {
    let script =
        format!("#!/bin/sh\ncase \" $* \" in *' -S '*) {deed};; *) exec {} \"$@\";; esac\n", qemu.binary.display());
    let path = bench.path("emulator");
    program::write(&path, &script);
    path
}

#[test]
fn row_003_an_interrupt_that_is_raised_again_before_it_is_heard_counts_once() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=wait", "");
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    bench.wait_for_serial("waiting");
    run.signal("STOP");
    wait_until_stopped(run.pid());
    for _ in 0..3 {
        run.signal("INT");
    }
    run.signal("CONT");
    let ended = run.end();
    assert_eq!((ended.signal, ended.code), (Some(2), None), "{}", ended.text());
    assert!(ended.text().contains("power button pressed"), "{}", ended.text());
    assert!(!ended.text().contains("once more"), "{}", ended.text());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

/// Waits until the kernel has stopped process `pid`, which it does some time after the signal.
fn wait_until_stopped(pid: u32) {
    let stopped = || fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("State:\tT");
    while !stopped() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn row_007_a_vmrun_that_is_stopped_goes_on_where_it_was() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=wait", "");
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("running");
    bench.wait_for_serial("waiting");
    run.signal("STOP");
    wait_until_stopped(run.pid());
    // Heard while it is stopped, done when it goes on.
    run.signal("TERM");
    assert!(!bench.serial().contains("power button"));
    run.signal("CONT");
    assert_ended(&bench, &run.end(), 0, "the guest powered off");
}

#[test]
fn row_008_a_reader_that_goes_away_costs_no_guest() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=poweroff", "");
    let mut child =
        bench.command().arg("run").arg(&profile).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(bench.serial().contains("vmrun-guest: done"), "{}", bench.serial());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_011_an_error_inside_vmrun_leaves_the_guest_alone_and_the_journal_in_place() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let owed = format!(
        "[[hook]]\nat = \"pre\"\nrun = [\"true\"]\nundo = [\"touch\", \"{}\"]\n\
         [[service]]\nname = \"companion\"\nrun = [\"sh\", \"-c\", \"sleep 1000; : {}\"]\nstart = \"after\"\n",
        bench.path("undone").display(),
        bench.path("").display()
    );
    let profile = bench.profile("then=wait", &owed);
    // The journal is begun, the hook is noted, its process, its end, and QEMU, and then the companion beside the running guest.
    let broken =
        bench.command().env("VMRUN_FAULT", "panic:journal-written#5").arg("run").arg(&profile).output().unwrap();
    let text = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert_eq!(broken.status.code(), Some(1), "{text}");
    assert!(text.contains("internal error") && text.contains("vmrun attach"), "{text}");
    assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(4));
    let mut second = bench.start(&["attach", "guest"]);
    second.until("guest taken over");
    bench.wait_for_serial("waiting");
    assert!(!bench.path("undone").exists());
    second.signal("TERM");
    assert_ended(&bench, &second.end(), 0, "the guest powered off");
    assert!(bench.path("undone").exists());
}

#[test]
fn row_014_without_a_terminal_there_are_plain_lines() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=poweroff", "");
    let run = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_vmrun"), "run"])
        .arg(&profile)
        .env("VMRUN_RUNTIME_DIR", bench.path("runtime"))
        .env("VMRUN_STATE_DIR", bench.path("state"))
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(0), "{text}");
    assert!(text.contains("the guest powered off"), "{text}");
    assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
}

#[test]
fn row_018_a_qemu_that_somebody_kills_is_named_with_its_signal() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let kill = "[[hook]]\nat = \"running\"\nrun = [\"sh\", \"-c\", \"kill -KILL $VMRUN_PID\"]\n";
        let profile = bench.profile("then=hang", kill);
        assert_ended(&bench, &bench.run(&["run", profile.to_str().unwrap()]), 31, "SIGKILL");
    }
}

/// A folder whose modules abort whoever loads them, in the place of the QXL card and of those that it wants first.
fn broken_modules(bench: &Bench) -> PathBuf {
    let folder = bench.path("modules");
    fs::create_dir(&folder).unwrap();
    let code = "#include <stdio.h>\n#include <stdlib.h>\n\
                __attribute__((constructor)) static void load(void) { fputs(\"module mismatch\\n\", stderr); abort(); }\n";
    let source = bench.write("module.c", code);
    for module in ["ui-opengl", "ui-spice-core", "hw-display-qxl"] {
        let mut compiler = Command::new("gcc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.join(module).with_extension("so")).arg(&source);
        assert!(compiler.status().unwrap().success());
    }
    folder
}

/// A script that starts `qemu` with the modules of `folder`: of a QEMU that is started by a script, which knows where its
/// own are, one like it.
fn with_modules(bench: &Bench, qemu: &Qemu, folder: &Path) -> PathBuf {
    let found = format!("export QEMU_MODULE_DIR='{}'", folder.display());
    let theirs = fs::read(&qemu.binary).unwrap();
    let script = match theirs.strip_prefix(b"#!") {
        None => format!("#!/bin/sh\n{found}\nexec {} \"$@\"\n", qemu.binary.display()),
        Some(_) => {
            let lines = String::from_utf8(theirs).unwrap();
            let line =
                |line: &str| if line.starts_with("export QEMU_MODULE_DIR=") { found.clone() } else { line.into() };
            lines.lines().map(line).map(|line| line + "\n").collect()
        }
    };
    let path = bench.path("broken-qemu");
    program::write(&path, &script);
    path
}

#[test]
fn row_019_a_qemu_that_aborts_before_it_answers_is_shown_with_its_words() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        bench.profile("then=hang", "[display]\nkind = \"none\"\nvideo = \"qxl\"\n");
        let broken = with_modules(&bench, &qemu, &broken_modules(&bench));
        // Asked what it can do, it would load all its modules.
        let emulator = emulator(&bench, &qemu, &format!("exec {} \"$@\"", broken.display()));
        let profile = fs::read_to_string(bench.path("guest.toml")).unwrap();
        let profile = profile.replace(&qemu.binary.display().to_string(), &emulator.display().to_string());
        let profile = bench.write("guest.toml", &profile);
        let ended = bench.run(&["run", profile.to_str().unwrap()]);
        assert!(ended.text().contains("SIGABRT"), "{}", ended.text());
        assert_ended(&bench, &ended, 30, "module mismatch");
    }
}

#[test]
fn row_068_a_full_disk_under_the_logs_costs_no_guest() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let flood = "[[service]]\nname = \"flood\"\nrun = [\"sh\", \"-c\", \"yes | head -c 400000; exec sleep 1000\"]\n\
                 [[hook]]\nat = \"running\"\nrun = [\"sh\", \"-c\", \"yes | head -c 400000\"]\n";
    let profile = bench.profile("then=wait", flood);
    fs::create_dir(bench.path("state")).unwrap();
    let script = "mount -t tmpfs -o size=256k none \"$VMRUN_STATE_DIR\" && exec \"$0\" run \"$1\"";
    let mut child = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_vmrun")])
        .arg(&profile)
        .env("VMRUN_RUNTIME_DIR", bench.path("runtime"))
        .env("VMRUN_STATE_DIR", bench.path("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    bench.wait_for_serial("waiting");
    let stop = bench.output(&["stop", "guest"]);
    assert!(stop.status.success(), "{stop:?}");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_012_a_score_that_vmrun_was_given_is_not_the_guests() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let look = "[[hook]]\nat = \"running\"\nrun = [\"sh\", \"-c\", \"cat /proc/$VMRUN_PID/oom_score_adj; kill -TERM $VMRUN_PID\"]\n";
    let profile = bench.profile("then=hang", look);
    let script = "echo 300 >/proc/self/oom_score_adj && exec \"$0\" run \"$1\"";
    let run = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_vmrun")])
        .arg(&profile)
        .env("VMRUN_RUNTIME_DIR", bench.path("runtime"))
        .env("VMRUN_STATE_DIR", bench.path("state"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(text.contains("sh | 0\n") && !text.contains("300"), "{text}");
}

#[test]
fn a_qemu_that_is_only_asked_what_it_can_do_ends_with_a_vmrun_that_is_killed() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let asked = bench.path("asked");
    program::write(&bench.path("emulator"), &format!("#!/bin/sh\necho $$ >>{}\nexec sleep 4711\n", asked.display()));
    let profile = bench.profile("then=wait", "");
    let (theirs, ours) = (qemu.binary.display().to_string(), bench.path("emulator").display().to_string());
    fs::write(&profile, fs::read_to_string(&profile).unwrap().replace(&theirs, &ours)).unwrap();
    let check = bench.start(&["check", profile.to_str().unwrap()]);
    let pids = || fs::read_to_string(&asked).unwrap_or_default();
    while pids().lines().count() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    check.signal("KILL");
    assert_eq!(check.end().signal, Some(9));
    let lives = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
    while pids().lines().any(lives) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn row_005_a_terminal_that_is_closed_leaves_the_guest_and_its_vmrun_running() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let profile = bench.profile("then=wait", "");
        // The terminal is its own, so that the kernel tells it of its end.
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_vmrun"), "run"]).arg(&profile);
        command.env("VMRUN_RUNTIME_DIR", bench.path("runtime")).env("VMRUN_STATE_DIR", bench.path("state"));
        let terminal = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let slave = ptsname_r(&terminal).unwrap();
        let end = || {
            let slave = fs::File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&slave);
            Stdio::from(slave.unwrap())
        };
        let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(command);
        bench.wait_for_serial("waiting");
        drop(terminal);
        let told = || bench.output(&["events", "guest"]);
        while !String::from_utf8_lossy(&told().stdout).contains("the terminal is gone") {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(bench.output(&["status", "guest"]).status.code(), Some(0));
        assert!(bench.output(&["stop", "guest"]).status.success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(bench.serial().contains("power button"), "{}", bench.serial());
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    }
}
