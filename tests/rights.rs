//! QEMU as an ordinary user, looked at from outside: what it is, what it may, and what it leaves. Both versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use support::setup::{Qemu, qemus};
use support::vmrun::{Bench, Run};

/// Accounts that every Debian has, and the group of the first.
const USER: (&str, u32, u32) = ("nobody", 65534, 65534);

/// Folders that any user may pass, with a QEMU that everybody may execute.
fn open_bench(qemu: &Qemu) -> Bench {
    let bench = Bench::new(&qemu.binary);
    fs::set_permissions(bench.path("."), Permissions::from_mode(0o755)).unwrap();
    bench
}

/// A guest with a variable store, a TPM and sockets.
fn profile(bench: &Bench, qemu: &Qemu, user: &str) -> std::path::PathBuf {
    let text = format!(
        r#"
        schema = 1
        name = "guest"
        [machine]
        accel = "tcg"
        [memory]
        size = "64M"
        [firmware]
        [tpm]
        [agent]
        [display]
        kind = "vnc"
        [[serial]]
        to = "capture"
        [qemu]
        binary = {:?}
        {user}
        "#,
        qemu.binary.display().to_string(),
    );
    bench.write("guest.toml", &text)
}

/// A guest that runs, and the process id of its QEMU.
fn started(bench: &Bench, profile: &Path) -> (Run, u64) {
    let mut run = bench.start(&["run", profile.to_str().unwrap()]);
    run.until("guest running");
    let status: Value = serde_json::from_slice(&bench.output(&["status", "guest", "--json"]).stdout).unwrap();
    let pid = status["vmrun"]["qemu"].as_u64().unwrap_or_else(|| panic!("{status}"));
    (run, pid)
}

/// A line of `/proc/PID/status` without its name; `proc_pid_status(5)`.
fn fact(pid: u64, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn uid(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).uid()
}

fn ended(bench: &Bench, run: Run) {
    bench.output(&["stop", "--force", "guest"]);
    let ended = run.end();
    assert!(ended.text().contains("the host is put back"), "{}", ended.text());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_qemu_with_a_user_of_its_own_has_no_right_of_roots_and_its_files_stay_roots() {
    for qemu in qemus() {
        let bench = open_bench(&qemu);
        let file = profile(&bench, &qemu, &format!("user = \"{}\"", USER.0));
        let (run, pid) = started(&bench, &file);
        let (_, user, group) = USER;
        assert_eq!(fact(pid, "Uid"), format!("{user} {user} {user} {user}"), "QEMU {}", qemu.version);
        assert_eq!(fact(pid, "Gid"), format!("{group} {group} {group} {group}"));
        assert_eq!(fact(pid, "Groups"), format!("{group}"), "none of root's groups, and none that it does not need");
        assert_eq!(fact(pid, "NoNewPrivs"), "1");
        assert_eq!(fact(pid, "Seccomp"), "2", "a filter");
        for set in ["CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(u64::from_str_radix(&fact(pid, set), 16), Ok(0), "{set}");
        }

        let sockets = bench.path("runtime/guest/qemu");
        assert_eq!((uid(&sockets), uid(&bench.path("runtime/guest/qmp.sock"))), (user, 0));
        assert_eq!(uid(&sockets.join("tpm.sock")), user);
        UnixStream::connect(sockets.join("vnc.sock")).unwrap();
        UnixStream::connect(sockets.join("agent.sock")).unwrap();
        let store = bench.path("state/guest_VARS.fd");
        assert_eq!((uid(&store), fs::metadata(&store).unwrap().mode() & 0o777), (0, 0o600));
        ended(&bench, run);
    }
}

#[test]
fn a_qemu_of_root_can_gain_no_rights_either_and_takes_over_what_a_user_had() {
    let [qemu, _] = qemus();
    let bench = open_bench(&qemu);
    let (run, _) = started(&bench, &profile(&bench, &qemu, "user = \"nobody\""));
    ended(&bench, run);
    let (run, pid) = started(&bench, &profile(&bench, &qemu, "sandbox_allow = [\"spawn\"]"));
    assert_eq!(fact(pid, "Uid"), "0 0 0 0");
    assert_eq!((fact(pid, "NoNewPrivs"), fact(pid, "Seccomp")), ("1".to_owned(), "2".to_owned()));
    ended(&bench, run);
}

#[test]
fn what_the_user_may_not_open_is_told_before_anything_is_touched() {
    let [qemu, _] = qemus();
    let bench = open_bench(&qemu);
    fs::create_dir(bench.path("closed")).unwrap();
    fs::set_permissions(bench.path("closed"), Permissions::from_mode(0o700)).unwrap();
    bench.write("closed/disk.img", "x");
    let disk = "user = \"nobody\"\n[[disk]]\nfile = \"closed/disk.img\"\nformat = \"raw\"\n";
    let run = bench.run(&["run", profile(&bench, &qemu, disk).to_str().unwrap()]);
    assert_eq!(run.code, Some(13), "{}", run.text());
    let told = run.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("QEMU runs as nobody, who may not write to"), "{told}");
    assert!(told.contains("setfacl -m u:nobody:x"), "{told}");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_109_what_only_root_may_read_is_not_opened_for_a_users_guest() {
    let [_, qemu] = qemus();
    let bench = open_bench(&qemu);
    let disk = "user = \"nobody\"\n[[disk]]\nfile = \"/etc/shadow\"\nformat = \"raw\"\nreadonly = true\n";
    let run = bench.run(&["run", profile(&bench, &qemu, disk).to_str().unwrap()]);
    assert_eq!(run.code, Some(13), "{}", run.text());
    assert!(run.text().contains("/etc/shadow"), "{}", run.text());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn another_user_is_told_whose_the_guest_is_and_not_that_it_is_stopped() {
    let [qemu, _] = qemus();
    let bench = open_bench(&qemu);
    fs::set_permissions(bench.path("runtime"), Permissions::from_mode(0o755)).unwrap();
    let file = profile(&bench, &qemu, "");
    let (run, _) = started(&bench, &file);
    let ask = |words: &[&str]| {
        let mut command = bench.command();
        command.env("VMRUN_STATE_DIR", "/nonexistent").args(words).uid(USER.1).gid(USER.2);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    let fix = format!("sudo VMRUN_RUNTIME_DIR={} vmrun status guest", bench.path("runtime").display());
    for words in
        [&["status", "guest"][..], &["stop", "guest"], &["logs", "guest"], &["recover", "guest"], &["attach", "guest"]]
    {
        let (code, said) = ask(words);
        assert_eq!(code, 13, "{words:?}: {said}");
        assert!(said.contains("belongs to root") && said.contains(&fix), "{words:?}: {said}");
    }
    let (code, said) = ask(&["ps"]);
    assert!(code == 0 && said.contains("belongs to root"), "{said}");
    ended(&bench, run);
    assert_eq!(ask(&["status", "guest"]).0, 3);
}
