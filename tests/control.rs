//! What is asked of a running guest by its name. Real QEMU, both versions; QMP also by a client of others' making.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use support::setup::{path, qemus, run};
use support::vmrun::{Bench, Run};

/// A profile of a guest with everything that can be asked for, waiting for its power button.
fn whole(bench: &Bench) -> PathBuf {
    let text = fs::read_to_string(bench.profile(
        "then=wait",
        "[[disk]]\ncdrom = true\nboot_index = 5\n[[net]]\nmode = \"user\"\n[display]\nkind = \"none\"\nvideo = \"std\"\n\
         [usb_controller]\n[[service]]\nname = \"helper\"\nrun = [\"sleep\", \"1000\"]\n",
    ));
    let port = "to = \"file\"\npath = \"serial.log\"";
    bench.write("guest.toml", &text.unwrap().replace(port, "to = \"console\""))
}

fn started(bench: &Bench, profile: &Path) -> Run {
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("guest running");
    run
}

/// What vmrun answers on standard output, when it does what is asked.
fn answer(bench: &Bench, arguments: &[&str]) -> String {
    let output = bench.output(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(bench: &Bench, arguments: &[&str]) -> Value {
    serde_json::from_str(&answer(bench, arguments)).unwrap()
}

/// The code with which vmrun refuses, and why.
fn refusal(bench: &Bench, arguments: &[&str]) -> (Option<i32>, String) {
    let output = bench.output(arguments);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_guest_does_what_is_asked_of_it_by_name() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let profile = whole(&bench);
        let guest = started(&bench, &profile);
        status_tells_all(&bench);
        what_was_changed_since_its_start_is_told(&bench, &profile);
        verbs_reach_qemu(&bench);
        media_and_cables_go_in_and_out(&bench);
        usb_devices_come_and_go(&bench);
        several_people_share_the_console(&bench);
        other_clients_share_the_monitor(&bench);
        assert!(answer(&bench, &["stop", "guest"]).is_empty());
        assert_eq!(guest.end().code, Some(0));
        assert_eq!(bench.leftovers(), Vec::<String>::new());
        the_run_is_kept(&bench);
    }
}

fn status_tells_all(bench: &Bench) {
    let status = json(bench, &["status", "guest", "--json"]);
    assert_eq!((&status["state"], &status["exit"]), (&"running".into(), &0.into()), "{status}");
    let vmrun = &status["vmrun"];
    assert_eq!((&vmrun["memory"], &vmrun["vcpus"]), (&"64M".into(), &1.into()), "{status}");
    assert_eq!(vmrun["services"][0]["name"], "helper");
    assert!(vmrun["pins"]["placed"].as_u64() > Some(1) && vmrun["pins"]["moved"] == serde_json::json!([]), "{status}");
    let page = answer(bench, &["status", "guest"]);
    assert!(page.contains("all in their place") && page.contains("last events"), "{page}");
    let ps = answer(bench, &["ps"]);
    assert!(ps.lines().any(|line| line.contains("guest") && line.contains("running") && line.contains("ok")), "{ps}");
    // A thread that somebody moved is told.
    let qemu = vmrun["qemu"].as_u64().unwrap().to_string();
    run(Command::new("taskset").args(["-a", "-p", "1", &qemu]));
    let moved = json(bench, &["status", "guest", "--json"]);
    assert!(!moved["vmrun"]["pins"]["moved"].as_array().unwrap().is_empty(), "{moved}");
}

fn what_was_changed_since_its_start_is_told(bench: &Bench, profile: &Path) {
    let same = answer(bench, &["diff", "guest"]);
    assert_eq!(same.lines().count(), 1, "{same}");
    let text = fs::read_to_string(profile).unwrap();
    let other = text.replace("64M", "96M").replace("[display]", "link = \"down\"\n[display]")
        + "[[usb]]\nid = \"1d6b:ffff\"\n[[disk]]\nfile = \"gone.raw\"\n";
    fs::write(profile, &other).unwrap();
    for word in ["guest", profile.to_str().unwrap()] {
        let told = bench.output(&["diff", word]);
        let page = String::from_utf8(told.stdout).unwrap();
        assert_eq!(told.status.code(), Some(8), "{page}");
        for line in [
            "  memory.size:6  \"64M\" -> \"96M\"",
            "    vmrun usb give guest 1d6b:ffff",
            "    vmrun net down guest nic0",
        ] {
            assert!(page.lines().any(|told| told == line), "{line}\n{page}");
        }
        assert!(page.contains("+  -m size=96M") && !page.contains("Beside the profile"), "{page}");
        let against = String::from_utf8(told.stderr).unwrap();
        assert!(against.contains("gone.raw"), "{against}");
    }
    let record = bench.output(&["diff", "guest", "--json", "--set", "memory.size=80M"]).stdout;
    let record: Value = serde_json::from_slice(&record).unwrap();
    let changes = record["changes"].as_array().unwrap();
    let of = |key: &str| changes.iter().find(|change| change["key"] == key).unwrap();
    let (size, usb) = (of("memory.size"), of("usb[0]"));
    assert_eq!((&size["is"], &size["takes_effect"]), (&"80M".into(), &"next_start".into()), "{record}");
    assert_eq!((&usb["was"], &usb["takes_effect"]), (&Value::Null, &"now".into()), "{record}");
    fs::write(profile, text).unwrap();
    assert_eq!(refusal(bench, &["diff", "nobody"]).0, Some(10));
}

fn verbs_reach_qemu(bench: &Bench) {
    answer(bench, &["pause", "guest"]);
    assert_eq!(json(bench, &["status", "guest", "--json"])["state"], "paused");
    answer(bench, &["resume", "guest"]);
    assert_eq!(json(bench, &["qmp", "guest", "query-status"])["running"], true);
    assert!(answer(bench, &["hmp", "guest", "info", "version"]).contains('.'));
    let (code, why) = refusal(bench, &["qmp", "guest", "{\"execute\":\"fly\"}"]);
    assert!(code == Some(7) && why.contains("fly"), "{code:?} {why}");
    assert_eq!(refusal(bench, &["qmp", "guest", "{}"]).0, Some(2));
    let (code, why) = refusal(bench, &["hmp", "guest", "xp /4000000xb 0"]);
    assert!(code == Some(7) && why.contains("longer than 16 MiB"), "{code:?} {why}");
    answer(bench, &["send-key", "guest", "ctrl-alt-del"]);
    let (code, why) = refusal(bench, &["send-key", "guest", "a", "ctrl-dlete"]);
    assert!(code == Some(7) && why.contains("no key is called `dlete`"), "{code:?} {why}");
    assert!(why.contains("did you mean delete?"), "{why}");
    for (name, magic) in [("x.png", &b"\x89PNG"[..]), ("x.ppm", b"P6")] {
        let picture = bench.path(name);
        answer(bench, &["screenshot", "guest", picture.to_str().unwrap()]);
        assert!(fs::read(&picture).unwrap().starts_with(magic), "{name}");
    }
    answer(bench, &["reset", "guest"]);
    let (code, why) = refusal(bench, &["pause", "nobody"]);
    assert!(code == Some(3) && why.contains("guest"), "{code:?} {why}");
}

fn media_and_cables_go_in_and_out(bench: &Bench) {
    let disc = bench.write("disc.iso", &"x".repeat(4096));
    answer(bench, &["cd", "insert", "guest", disc.to_str().unwrap()]);
    let blocks = answer(bench, &["qmp", "guest", "query-block"]);
    assert!(blocks.contains("disc.iso"), "{blocks}");
    answer(bench, &["cd", "eject", "guest", "--force"]);
    assert!(!answer(bench, &["qmp", "guest", "query-block"]).contains("disc.iso"));
    assert_eq!(refusal(bench, &["cd", "insert", "guest", "/nonexistent.iso"]).0, Some(7));
    answer(bench, &["net", "down", "guest"]);
    answer(bench, &["net", "up", "guest", "nic0"]);
    assert_eq!(refusal(bench, &["net", "up", "guest", "nic7"]).0, Some(7));
}

/// No device of the host is needed: QEMU waits for one.
fn usb_devices_come_and_go(bench: &Bench) {
    let give = bench.output(&["usb", "give", "guest", "1d6b:ffff"]);
    let said = String::from_utf8_lossy(&give.stderr).into_owned();
    assert!(give.status.success() && said.contains("not plugged in"), "{said}");
    let (code, why) = refusal(bench, &["usb", "give", "guest", "1d6b:ffff"]);
    assert!(code == Some(7) && why.contains("already"), "{why}");
    answer(bench, &["usb", "give", "guest", "1-4.2"]);
    answer(bench, &["usb", "take", "guest", "1-4.2"]);
    answer(bench, &["usb", "take", "guest", "1d6b:ffff"]);
    assert_eq!(refusal(bench, &["usb", "take", "guest", "1d6b:ffff"]).0, Some(7));
}

fn several_people_share_the_console(bench: &Bench) {
    let console = || bench.command().args(["console", "guest"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut consoles = [console(), console()];
    for console in &mut consoles {
        let mut said = String::new();
        while !said.contains("vmrun-guest: hello 1") {
            let mut bytes = [0; 256];
            let count = console.stdout.as_mut().unwrap().read(&mut bytes).unwrap();
            assert!(count > 0, "{said}");
            said += &String::from_utf8_lossy(&bytes[..count]);
        }
    }
    for mut console in consoles {
        console.kill().unwrap();
        console.wait().unwrap();
    }
}

fn other_clients_share_the_monitor(bench: &Bench) {
    let socket = bench.path("runtime").join("guest/qmp-user.sock");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control/two_clients.py");
    let said = run(Command::new(path("VMRUN_TEST_PYTHON")).arg(script).arg(&socket));
    assert_eq!(
        said,
        "a running\nb qemu\nSTOP STOP\npaused\nRESUME RESUME\nCommandNotFound\nafter the other left: running\n"
    );
    // The same on standard input and output, ids and greeting and all.
    let mut pipe = bench.command();
    let pipe = pipe.args(["qmp", "guest"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = "{\"execute\":\"query-name\",\"id\":1}\n{\"execute\":\"qmp_capabilities\",\"id\":[2]}\n\
                 {\"execute\":\"query-name\",\"id\":{\"x\":3}}\n";
    pipe.stdin.as_ref().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = pipe.wait_with_output().unwrap();
    let answers: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(answers[0]["QMP"]["version"]["qemu"]["major"].is_number(), "{answers:?}");
    assert_eq!((&answers[1]["error"]["class"], &answers[1]["id"]), (&"CommandNotFound".into(), &1.into()));
    assert_eq!(answers[2], serde_json::json!({"return": {}, "id": [2]}));
    assert_eq!(answers[3], serde_json::json!({"return": {"name": "guest"}, "id": {"x": 3}}));
}

fn the_run_is_kept(bench: &Bench) {
    let runs = fs::read_dir(bench.path("state/guest/runs")).unwrap();
    let [dir] = &runs.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()[..] else { panic!("one run") };
    for file in ["argv", "plan.json", "events.jsonl", "qemu.log", "service-helper.log"] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    let events = answer(bench, &["events", "guest", "--json"]);
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!((1..).zip(&events).all(|(number, event)| event["n"] == number), "{events:?}");
    assert!(events.iter().any(|event| event["event"]["event"] == "STOP"), "{events:?}");
    assert_eq!(events.last().unwrap()["ended"]["reason"], "powered_off");
    let page = String::from_utf8(bench.output(&["status", "guest"]).stdout).unwrap();
    assert!(page.contains("powered off (exit 0)"), "{page}");
    // By its name alone its profile is not found, which lies elsewhere.
    let (code, why) = refusal(bench, &["diff", "guest"]);
    assert!(code == Some(3) && why.contains("it does not run"), "{code:?} {why}");
}

#[test]
fn a_terminal_is_as_it_was_after_the_console_however_that_ends() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let _guest = started(&bench, &whole(&bench));
    for ending in ["key", "TERM", "HUP"] {
        let terminal = openpty(None, None).unwrap();
        let before = tcgetattr(terminal.slave.as_fd()).unwrap();
        let mut command = bench.command();
        command.args(["console", "guest"]).stdin(terminal.slave.try_clone().unwrap()).stdout(Stdio::piped());
        let mut console = command.spawn().unwrap();
        let mut hello = [0; 32];
        console.stdout.as_mut().unwrap().read_exact(&mut hello).unwrap();
        let raw = tcgetattr(terminal.slave.as_fd()).unwrap();
        assert!(!raw.local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO));
        if ending == "key" {
            fs::File::from(terminal.master.try_clone().unwrap()).write_all(b"abc\x1d").unwrap();
        } else {
            run(Command::new("kill").args([&format!("-{ending}"), &console.id().to_string()]));
        }
        assert!(console.wait().unwrap().success(), "{ending}");
        let after = tcgetattr(terminal.slave.as_fd()).unwrap();
        assert_eq!(after.local_flags, before.local_flags, "{ending}");
        assert_eq!(after.input_flags, before.input_flags, "{ending}");
    }
    answer(&bench, &["stop", "--force", "guest"]);
}

#[test]
fn a_qemu_that_floods_its_log_fills_no_disk() {
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=spin", "args = [\"-d\", \"exec,nochain\"]\n");
    let guest = started(&bench, &profile);
    let runs = bench.path("state/guest/runs");
    let dir = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    while !dir.join("qemu.log.old").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    answer(&bench, &["stop", "guest", "--timeout", "1ms", "--force"]);
    assert_eq!(guest.end().code, Some(35));
    assert!(fs::metadata(dir.join("qemu.log.old")).unwrap().len() <= 5 << 20);
    let log = fs::metadata(dir.join("qemu.log")).unwrap().len();
    assert!(log < 100 << 20, "{log} bytes");
}

#[test]
fn what_happens_can_be_followed() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile =
        bench.profile("then=wait", "[[hook]]\nat = \"running\"\nname = \"tell\"\nrun = [\"echo\", \"told you\"]\n");
    let guest = started(&bench, &profile);
    // Both have been answered before the end is asked for: a follower that comes later would rightly hear nothing.
    let follow = |what: &str| {
        let mut child = bench.command().args([what, "guest", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        lines.read_line(&mut said).unwrap();
        (child, lines, said)
    };
    let (events, logs) = (follow("events"), follow("logs"));
    answer(&bench, &["stop", "guest", "--force"]);
    assert_eq!(guest.end().code, Some(35));
    let rest = |(mut child, mut lines, mut said): (Child, BufReader<ChildStdout>, String)| {
        lines.read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        said
    };
    let (events, logs) = (rest(events), rest(logs));
    assert!(events.contains("guest running") && events.trim_end().ends_with("ended: forced"), "{events}");
    assert!(logs.contains("tell | told you"), "{logs}");
}

#[test]
fn a_follower_whose_reader_has_left_ends_though_nothing_happens() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile =
        bench.profile("then=wait", "[[hook]]\nat = \"running\"\nname = \"tell\"\nrun = [\"echo\", \"told you\"]\n");
    let _guest = started(&bench, &profile);
    bench.wait_for_serial("waiting");
    for what in ["events", "logs"] {
        let mut child = bench.command().args([what, "guest", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        assert!(child.wait().unwrap().success(), "{what}");
    }
    answer(&bench, &["stop", "guest", "--force"]);
}

#[test]
fn who_came_while_no_descriptor_was_left_is_served_when_there_is_one() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let guest = started(&bench, &bench.profile("then=wait", ""));
    let vmrun = Pid::from_raw(guest.pid().cast_signed());
    let none = Rlimit { current: Some(1), maximum: getrlimit(Resource::Nofile).maximum };
    let before = prlimit(vmrun, Resource::Nofile, none).unwrap();
    let lines = ["control.sock", "qmp-user.sock"].map(|socket| {
        let mut client = UnixStream::connect(bench.path("runtime/guest").join(socket)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client.write_all(b"{\"ask\": \"status\"}\n").unwrap();
        BufReader::new(client).lines()
    });
    // Long enough to be turned away.
    std::thread::sleep(Duration::from_millis(500));
    prlimit(vmrun, Resource::Nofile, before).unwrap();
    let [status, greeting] = lines.map(|mut lines| lines.next().unwrap().unwrap());
    assert!(status.contains("\"running\"") && greeting.contains("\"QMP\""), "{status}\n{greeting}");
    answer(&bench, &["stop", "guest", "--force"]);
    assert_eq!(guest.end().code, Some(35));
}

#[test]
fn a_vmrun_that_does_not_answer_is_told_and_hides_no_other_guest() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=wait", "");
    let stuck = started(&bench, &profile);
    let text = fs::read_to_string(&profile).unwrap();
    let text = text.replace("name = \"guest\"", "name = \"other\"").replace("serial.log", "other.log");
    let _other = started(&bench, &bench.write("other.toml", &text));
    stuck.signal("STOP");
    let asked = [&["ps"][..], &["status", "guest"], &["stop", "guest", "--force"]].map(|arguments| {
        bench.command().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let answers = asked.map(|child| {
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    });
    let [(ps, list), (status, page), (stop, refusal)] = answers;
    assert_eq!((ps, status, stop), (Some(0), Some(7), Some(7)), "{list}\n{page}\n{refusal}");
    let of = |name: &str| list.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(of("guest").contains("does not answer") && of("other").contains("running"), "{list}");
    let mends = format!("kill -CONT {}", stuck.pid());
    assert!(page.contains(&mends) && refusal.contains(&mends), "{page}\n{refusal}");
    stuck.signal("CONT");
    // What was asked is done.
    assert_eq!(stuck.end().code, Some(35));
    answer(&bench, &["stop", "other", "--force"]);
}

#[test]
fn a_clock_that_a_guest_sets_goes_on_at_its_next_start() {
    for (qemu, base) in qemus().into_iter().zip(["utc", "localtime"]) {
        let bench = Bench::new(&qemu.binary);
        let lived = |more: &str, keys: &str| {
            let keys = format!("[clock]\nbase = \"{base}\"\n{keys}");
            let run = started(&bench, &bench.profile(&format!("then=wait{more}"), &keys));
            bench.wait_for_serial("waiting");
            (run, bench.serial())
        };
        let stopped = |run: Run| {
            answer(&bench, &["stop", "guest"]);
            assert_eq!(run.end().code, Some(0));
        };
        let (run, serial) = lived(" year=91", "");
        assert!(serial.contains("clock rtc=20") && serial.contains("clock rtc=2091-"), "{serial}");
        let kept = bench.path("state/guest/addresses.json");
        while !fs::read_to_string(&kept).is_ok_and(|kept| kept.contains("\"clock\"")) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        stopped(run);
        let plan = answer(&bench, &["plan", bench.path("guest.toml").to_str().unwrap()]);
        assert!(plan.contains("ahead of UTC, as the guest set it"), "{plan}");
        let (run, serial) = lived("", "");
        assert!(serial.contains("clock rtc=2091-"), "{serial}");
        stopped(run);
        let (run, serial) = lived("", "keep = false\n");
        assert!(!serial.contains("clock rtc=2091-"), "{serial}");
        stopped(run);
    }
}
