//! The host goes to sleep or shuts down: a real system bus, on which a stand-in for logind gives out the locks.

use crate::agent;
use crate::support::companion::Running;
use crate::support::setup::{path, qemus};
use crate::support::vmrun::{Bench, Run};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

struct Logind {
    address: String,
    said: BufReader<ChildStdout>,
    logind: Running,
    _bus: Running,
}

impl Logind {
    fn start(words: &[&str]) -> Self {
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]).stdout(Stdio::piped());
        let mut bus = Running::start(bus.stderr(Stdio::null()));
        let address = line(&mut BufReader::new(bus.0.stdout.take().unwrap()));
        let mut logind = Command::new(path("VMRUN_TEST_PYTHON"));
        logind.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/logind.py")).args(words);
        logind.env("DBUS_SYSTEM_BUS_ADDRESS", &address).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut logind = Running::start(&mut logind);
        let said = BufReader::new(logind.0.stdout.take().unwrap());
        let mut logind = Self { address, said, logind, _bus: bus };
        assert_eq!(logind.says(), "ready");
        logind
    }

    fn says(&mut self) -> String {
        line(&mut self.said)
    }

    fn announce(&mut self, what: &str) {
        writeln!(self.logind.0.stdin.as_ref().unwrap(), "{what}").unwrap();
    }

    fn run(&self, bench: &Bench, on: &str) -> Run {
        self.run_profile(bench, &bench.profile("then=wait", on))
    }

    fn run_profile(&self, bench: &Bench, profile: &Path) -> Run {
        let mut command = bench.command();
        command.arg(profile).env("DBUS_SYSTEM_BUS_ADDRESS", &self.address);
        bench.start_command(&mut command)
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn on_each_qemu() -> impl Iterator<Item = Bench> {
    qemus().into_iter().map(|qemu| Bench::new(&qemu.binary))
}

fn state(bench: &Bench) -> String {
    let status = bench.output(&["status", "guest", "--json"]);
    serde_json::from_slice::<serde_json::Value>(&status.stdout).unwrap()["vmrun"]["guest"].as_str().unwrap().to_owned()
}

/// QEMU has no pipe of vmrun's: it would keep the lock when vmrun lets go.
fn assert_no_lock(bench: &Bench) {
    let status = bench.output(&["status", "guest", "--json"]);
    let qemu = serde_json::from_slice::<serde_json::Value>(&status.stdout).unwrap()["vmrun"]["qemu"].to_string();
    let descriptors = fs::read_dir(Path::new("/proc").join(qemu).join("fd")).unwrap().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    let pipes: Vec<_> = links.filter(|link| link.to_string_lossy().starts_with("pipe:")).collect();
    assert_eq!(pipes, Vec::<PathBuf>::new());
}

#[test]
fn row_095_the_host_sleeps_when_the_guest_is_paused_and_the_guest_goes_on_afterwards() {
    for bench in on_each_qemu() {
        let mut logind = Logind::start(&[]);
        let mut run = logind.run(&bench, "[on]\nhost_sleep = \"pause\"\nhost_shutdown = \"ignore\"\n");
        assert_eq!(logind.says(), "sleep delay guest guest is paused before");
        bench.wait_for_serial("waiting");
        // Not logind's word.
        logind.announce("stranger PrepareForSleep true");
        logind.announce("PrepareForSleep true");
        assert_no_lock(&bench);
        run.until("the host goes to sleep; the guest is paused");
        assert_eq!(logind.says(), "sleep let go of");
        assert_eq!(state(&bench), "paused");
        logind.announce("PrepareForSleep false");
        assert_eq!(logind.says(), "sleep delay guest guest is paused before");
        run.until("the host is awake; the guest runs on");
        assert_eq!(state(&bench), "running");
        run.signal("TERM");
        assert_eq!(run.end().code, Some(0));
        assert_eq!(logind.says(), "sleep let go of");
    }
}

/// A thread of process `qemu` that begins like `name`.
fn thread_of(qemu: &str, name: &str) -> PathBuf {
    let tasks = fs::read_dir(Path::new("/proc").join(qemu).join("task")).unwrap().flatten();
    let named = |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with(name));
    tasks.map(|task| task.path()).find(named).unwrap()
}

/// All that have pins hear what the kernel says of host CPUs, so one test at a time has it say something.
static NEWS_OF_HOST_CPUS: Mutex<()> = Mutex::new(());

#[test]
fn row_094_a_thread_is_in_its_place_again_when_its_host_cpu_is_back() {
    let _turn = NEWS_OF_HOST_CPUS.lock().unwrap_or_else(PoisonError::into_inner);
    for bench in on_each_qemu() {
        let profile = bench.profile("then=wait", "[cpu.pinning]\nvcpus = [1]\nemulator = \"0\"\n");
        let mut run = bench.start(&[profile.to_str().unwrap()]);
        run.until("guest running");
        bench.wait_for_serial("waiting");
        let status = bench.output(&["status", "guest", "--json"]);
        let qemu = serde_json::from_slice::<serde_json::Value>(&status.stdout).unwrap()["vmrun"]["qemu"].to_string();
        let vcpu = thread_of(&qemu, "CPU 0/");
        // News of other devices, of which a desktop has many, do not even wake vmrun.
        let wakeups = || {
            let status = fs::read_to_string(format!("/proc/{}/status", run.pid())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
            line.trim().parse::<u32>().unwrap()
        };
        let before = wakeups();
        for _ in 0..100 {
            fs::write("/sys/class/mem/null/uevent", "change").unwrap();
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let woken = wakeups() - before;
        assert!(woken < 10, "woken {woken} times by 100 messages that are nothing to it");
        // The kernel does so when host CPU 1 is switched off, and says this when it is back; here it never went.
        let tid = vcpu.file_name().unwrap();
        assert!(Command::new("taskset").args(["-p", "3"]).arg(tid).stdout(Stdio::null()).status().unwrap().success());
        fs::write("/sys/devices/system/cpu/cpu1/uevent", "online").unwrap();
        run.until("host CPU 1 is back; in their place again: vCPU 0");
        let allowed = fs::read_to_string(vcpu.join("status")).unwrap();
        assert!(allowed.contains("Cpus_allowed_list:\t1\n"), "{allowed}");
        run.signal("TERM");
        assert_eq!(run.end().code, Some(0));
    }
}

#[test]
fn row_094_a_host_cpu_that_goes_and_is_back_while_hooks_run_has_its_thread_before_the_guest_runs() {
    let _turn = NEWS_OF_HOST_CPUS.lock().unwrap_or_else(PoisonError::into_inner);
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    // What the kernel does with the thread of a host CPU that is switched off, and what it says when it is back.
    let moved = "task=$(grep -l '^CPU 0/' /proc/$VMRUN_PID/task/*/comm); taskset -p 3 $(basename ${task%/comm})
        echo online >/sys/devices/system/cpu/cpu1/uevent";
    let hook = format!("[[hook]]\nat = \"started\"\nrun = [\"sh\", \"-ec\", \"\"\"{moved}\"\"\"]\n");
    let pins = "[cpu.pinning]\nvcpus = [1]\nemulator = \"0\"\n";
    let profile = bench.profile("then=wait", &format!("{pins}{hook}"));
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("host CPU 1 is back; in their place again: vCPU 0");
    run.until("guest running");
    bench.wait_for_serial("waiting");
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

#[test]
fn row_095_a_guest_with_an_agent_suspends_itself_when_the_host_sleeps_and_is_woken_with_it() {
    for bench in on_each_qemu() {
        let mut logind = Logind::start(&[]);
        // The guest may take its time: every instruction of it is translated.
        let on = "[stop]\ntimeout = \"10m\"\n[agent]\n[[net]]\nmode = \"user\"\n[on]\nhost_sleep = \"suspend\"\nhost_shutdown = \"ignore\"\n";
        let mut run = logind.run_profile(&bench, &agent::profile(&bench, on));
        assert_eq!(logind.says(), "sleep delay guest guest is suspended before");
        bench.wait_for_serial("agent ready");
        // An address that nobody outside knows of.
        let told = |bench: &Bench| String::from_utf8(bench.output(&["status", "guest"]).stdout).unwrap();
        while !told(&bench).contains("10.0.2.77 (nic0; its agent)") {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        logind.announce("PrepareForSleep true");
        run.until("the host goes to sleep; the guest is suspended");
        assert_eq!(logind.says(), "sleep let go of");
        assert_eq!(state(&bench), "suspended");
        logind.announce("PrepareForSleep false");
        run.until("the host is awake; the guest is woken");
        // It goes on where it was: its agent answers.
        let mut agent = UnixStream::connect(bench.path("runtime/guest/agent.sock")).unwrap();
        writeln!(agent, "{{\"execute\": \"guest-ping\"}}").unwrap();
        assert_eq!(line(&mut BufReader::new(agent)), "{\"return\": {}}");
        assert!(bench.output(&["stop", "--force", "guest"]).status.success());
        assert_eq!(run.end().code, Some(35));
    }
}

#[test]
fn row_095_a_guest_that_somebody_paused_before_stays_so_and_a_block_is_held_to_the_end() {
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    let mut logind = Logind::start(&[]);
    let run = logind.run(&bench, "[on]\nhost_sleep = \"pause\"\nhost_shutdown = \"block\"\n");
    assert_eq!(logind.says(), "sleep delay guest guest is paused before");
    assert_eq!(logind.says(), "shutdown block guest guest runs");
    bench.wait_for_serial("waiting");
    assert_eq!(bench.run(&["pause", "guest"]).code, Some(0));
    logind.announce("PrepareForSleep true");
    assert_eq!(logind.says(), "sleep let go of");
    logind.announce("PrepareForSleep false");
    assert_eq!(logind.says(), "sleep delay guest guest is paused before");
    assert_eq!(state(&bench), "paused");
    assert_eq!(bench.run(&["stop", "guest", "--force"]).code, Some(0));
    let mut gone = [logind.says(), logind.says()];
    gone.sort();
    assert_eq!(gone, ["shutdown let go of", "sleep let go of"]);
    assert_eq!(run.end().code, Some(35));
}

#[test]
fn row_096_a_shutdown_of_the_host_waits_until_the_guest_has_powered_off() {
    for bench in on_each_qemu() {
        let mut logind = Logind::start(&[]);
        let mut run = logind.run(&bench, "");
        assert_eq!(logind.says(), "shutdown delay guest guest powers off before");
        // logind's usual time is shorter than the guest's.
        run.until("a shutdown of the host waits 5s for the guest, which may take 1m");
        bench.wait_for_serial("waiting");
        logind.announce("PrepareForShutdown true");
        run.until("the host shuts down, and waits for the guest");
        assert_eq!(logind.says(), "shutdown let go of");
        let ended = run.end();
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        assert!(ended.text().contains("the guest powered off"), "{}", ended.text());
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn row_095_a_lock_that_logind_refuses_is_told_and_costs_no_guest() {
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    let logind = Logind::start(&["refuse"]);
    let mut run = logind.run(&bench, "[on]\nhost_sleep = \"block\"\n");
    run.until("logind does not let vmrun block a sleep of the host: Permission denied");
    bench.wait_for_serial("waiting");
    drop(logind);
    run.until("unannounced");
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}
