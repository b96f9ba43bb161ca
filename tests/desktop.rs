//! vmrun where no terminal is: desktop entries and units as their own tools judge them, and notifications on a session
//! bus, by each tool that a desktop may have.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use support::companion::Running;
use support::setup::{path, qemus};
use support::vmrun::Bench;

fn bench() -> Bench {
    let [_, qemu] = qemus();
    Bench::new(&qemu.binary)
}

/// What `tool` says of the file `path`; it must be content.
fn judged(tool: &mut Command) {
    let output = tool.output().unwrap_or_else(|why| panic!("{tool:?}: {why}; run contrib/test-setup"));
    let said = [output.stdout, output.stderr].concat();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&said)), (Some(0), "".into()), "{tool:?}");
}

fn written(bench: &Bench, file: &str, words: &[&str]) -> PathBuf {
    let output = bench.output(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    bench.write(file, &String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_desktop_entry_is_one() {
    let bench = bench();
    let profile = bench.profile("then=poweroff", "[variant.install]\nboot = { menu = true }\n");
    let odd = bench.path("50% of $it \"all\".toml");
    fs::copy(&profile, &odd).unwrap();
    for (number, profile) in [&profile, &odd].into_iter().enumerate() {
        let words = ["desktop-entry", profile.to_str().unwrap(), "--variant", "install"];
        let entry = written(&bench, &format!("vmrun-{number}.desktop"), &words);
        judged(Command::new("desktop-file-validate").arg(&entry));
        let text = fs::read_to_string(entry).unwrap();
        for action in ["Start", "Stop", "Status"] {
            assert!(text.contains(&format!("\nName={action}\n")), "{text}");
        }
        assert!(text.contains("--notify run ") && text.contains("--variant install\n"), "{text}");
    }
}

#[test]
fn an_entry_is_installed_where_the_menu_looks() {
    let bench = bench();
    let profile = bench.profile("then=poweroff", "");
    let mut command = bench.command();
    command.env("HOME", bench.path("home")).env("XDG_DATA_HOME", bench.path("share")).uid(65534).gid(65534);
    fs::create_dir(bench.path("share")).unwrap();
    for path in [bench.path("share"), bench.path("runtime"), bench.path("")] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    let output = command.arg("desktop-entry").arg("--install").arg(profile).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    judged(Command::new("desktop-file-validate").arg(bench.path("share/applications/vmrun-guest.desktop")));
}

#[test]
fn units_are_verified_by_systemd() {
    let bench = bench();
    let profile = bench.profile("then=poweroff", "[stop]\ntimeout = \"90s\"\n");
    let odd = bench.path("50% of $it \"all\".toml");
    fs::copy(&profile, &odd).unwrap();
    let (profile, odd) = (profile.to_str().unwrap(), odd.to_str().unwrap());
    for (file, words) in [
        ("vmrun-guest.service", &["unit", profile][..]),
        ("vmrun-odd.service", &["unit", odd]),
        ("vmrun@.service", &["unit"]),
        ("vmrun-user.service", &["unit", "--user", profile]),
    ] {
        let unit = written(&bench, file, words);
        // The page of the manual comes with the package.
        let verify = ["verify", "--man=no", "--recursive-errors=no"];
        judged(Command::new("systemd-analyze").args(verify).arg(unit));
    }
    assert!(fs::read_to_string(bench.path("vmrun-guest.service")).unwrap().contains("\nTimeoutStopSec=150s\n"));
}

#[test]
fn the_shipped_template_is_what_vmrun_writes() {
    let output = bench().output(&["unit"]);
    let written = String::from_utf8(output.stdout).unwrap().replace(env!("CARGO_BIN_EXE_vmrun"), "/usr/bin/vmrun");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/vmrun@.service");
    assert_eq!(fs::read_to_string(shipped).unwrap(), written, "vmrun unit > contrib/vmrun@.service");
}

#[test]
fn for_a_program_an_entry_and_a_unit_are_json() {
    let bench = bench();
    let profile = bench.profile("then=poweroff", "");
    for (words, part) in [
        (&["unit"][..], "[Service]"),
        (&["unit", profile.to_str().unwrap()], "[Service]"),
        (&["desktop-entry", profile.to_str().unwrap()], "[Desktop Entry]"),
    ] {
        let plain = String::from_utf8(bench.output(words).stdout).unwrap();
        assert!(plain.contains(part), "{plain}");
        let json: Value = serde_json::from_slice(&bench.output(&[words, &["--json"]].concat()).stdout).unwrap();
        assert_eq!(json, serde_json::json!({ "v": 1, "text": plain }));
    }
}

#[test]
fn a_watchdog_is_told_that_the_loop_turns() {
    let bench = bench();
    let manager = UnixDatagram::bind(bench.path("notify.sock")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let profile = bench.profile("then=wait", "");
    let mut command = bench.command();
    command.env("NOTIFY_SOCKET", bench.path("notify.sock")).env("WATCHDOG_USEC", "50000").arg(profile);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let said = || {
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).expect("vmrun says something within a minute");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    while !said().contains("READY=1") {}
    assert!(said().contains("WATCHDOG=1"));
    assert!(said().contains("WATCHDOG=1"));
    // A manager that listens no more would hold vmrun up.
    drop(manager);
    bench.wait_for_serial("waiting");
    assert!(Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

/// A session bus with a stand-in for the desktop.
struct Desktop {
    address: String,
    shown: BufReader<ChildStdout>,
    _desktop: Running,
    _bus: Running,
}

impl Desktop {
    fn start() -> Self {
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]).stdout(Stdio::piped());
        let mut bus = Running::start(bus.stderr(Stdio::null()));
        let address = line(&mut BufReader::new(bus.0.stdout.take().unwrap()));
        let mut desktop = Command::new(path("VMRUN_TEST_PYTHON"));
        desktop.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desktop/notifications.py"));
        desktop.env("DBUS_SESSION_BUS_ADDRESS", &address).stdout(Stdio::piped());
        let mut desktop = Running::start(&mut desktop);
        let mut shown = BufReader::new(desktop.0.stdout.take().unwrap());
        assert_eq!(line(&mut shown), "ready");
        Self { address, shown, _desktop: desktop, _bus: bus }
    }

    /// The next notification.
    fn shown(&mut self) -> Value {
        serde_json::from_str(&line(&mut self.shown)).unwrap()
    }

    /// vmrun as a desktop starts it: in a session of its own, without a terminal.
    fn start_vmrun(&self, bench: &Bench, words: &[&str]) -> Child {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(env!("CARGO_BIN_EXE_vmrun")).args(words);
        command.env("VMRUN_RUNTIME_DIR", bench.path("runtime")).env("VMRUN_STATE_DIR", bench.path("state"));
        command.env("XDG_CACHE_HOME", bench.path("cache")).env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        for variable in ["JOURNAL_STREAM", "SUDO_UID", "PKEXEC_UID"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn each_tool_of_a_desktop_shows_what_is_wrong() {
    let bench = bench();
    let profile = bench.write("wrong.toml", "schema = 1\nname = \"<b>x</b>\"\n");
    for tool in ["notify-send", "gdbus", "busctl"] {
        let mut desktop = Desktop::start();
        // Only this one can be found.
        let folder = bench.path(tool);
        fs::create_dir(&folder).unwrap();
        symlink(Path::new("/usr/bin").join(tool), folder.join(tool)).unwrap();
        let mut command = Command::new("/usr/bin/setsid");
        command.arg("--wait").arg(env!("CARGO_BIN_EXE_vmrun")).arg("run").arg(&profile).env("PATH", folder);
        command.env("DBUS_SESSION_BUS_ADDRESS", &desktop.address).stdin(Stdio::null());
        command.env_remove("SUDO_UID").env_remove("PKEXEC_UID").env_remove("JOURNAL_STREAM");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(10), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        let shown = desktop.shown();
        assert_eq!(
            (&shown["app"], &shown["summary"], &shown["urgency"]),
            (&"vmrun".into(), &"vmrun".into(), &2.into())
        );
        let body = shown["body"].as_str().unwrap();
        assert!(body.contains("&lt;b&gt;x&lt;/b&gt;"), "{tool}: {body}");
    }
}

#[test]
fn a_guest_that_needs_its_user_says_so_on_the_desktop_and_status_is_shown_there() {
    let bench = bench();
    let mut desktop = Desktop::start();
    let profile = bench.profile("then=ignore", "[stop]\ntimeout = \"100ms\"\n");
    let mut run = desktop.start_vmrun(&bench, &["run", profile.to_str().unwrap()]);
    bench.wait_for_serial("waiting");
    // Ends when the guest has not: that is what the desktop is told by the run.
    assert_eq!(bench.run(&["stop", "guest", "--timeout", "200ms"]).code, Some(6));
    let overdue = desktop.shown();
    assert!(overdue["body"].as_str().unwrap().contains("vmrun stop --force guest"), "{overdue}");
    assert_eq!(overdue["urgency"], 1);
    assert!(desktop.start_vmrun(&bench, &["--notify", "status", "guest"]).wait().unwrap().code().is_some());
    let status = desktop.shown();
    assert!(status["body"].as_str().unwrap().starts_with("guest: "), "{status}");
    assert_eq!(bench.run(&["stop", "guest", "--force"]).code, Some(0));
    let forced = desktop.shown();
    assert!(forced["body"].as_str().unwrap().contains("forced off"), "{forced}");
    assert_eq!(run.wait().unwrap().code(), Some(35));
}
