//! The demo guest in a QEMU of its own, without anything of vmrun around it: what it says, and what QEMU says of it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use vmrun::demo_image::GUEST_ELF;

use super::setup;

/// What every line of the guest begins with.
const PREFIX: &str = "vmrun-guest: ";
/// How long anything may take before the test is given up; far more than the slowest host needs.
const PATIENCE: Duration = Duration::from_secs(180);

/// The QEMU programs to test with: `$VMRUN_TEST_QEMU`, or else both versions of the set-up.
pub(crate) fn qemus() -> Vec<PathBuf> {
    match env::var_os("VMRUN_TEST_QEMU") {
        Some(binary) => vec![binary.into()],
        None => setup::qemus().map(|qemu| qemu.binary).into(),
    }
}

/// A running QEMU with the guest in it; ends with the value.
pub(crate) struct Machine {
    child: Child,
    lines: Receiver<String>,
    /// QEMU's monitor, which has heard every event since the guest's first instruction.
    pub(crate) monitor: Monitor,
    /// Where the guest's file lies, which QEMU reads again at a reset.
    _directory: TempDir,
}

impl Machine {
    /// Starts `qemu` under TCG with these further `arguments`, and the guest in it with this command line.
    ///
    /// # Panics
    /// When the program does not start.
    pub(crate) fn start(qemu: &Path, command_line: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let kernel = directory.path().join("guest.elf");
        fs::write(&kernel, GUEST_ELF).expect("room for the guest");
        let (ours, theirs) = UnixStream::pair().expect("two ends of a socket");
        let mut command = Command::new(qemu);
        command.args(["-accel", "tcg", "-nodefaults", "-no-user-config", "-display", "none", "-S"]);
        command.args(["-serial", "file:/dev/stdout", "-chardev", "socket,id=monitor,fd=0"]);
        command.args(["-mon", "chardev=monitor,mode=control"]);
        command.arg("-kernel").arg(kernel).args(["-append", command_line]).args(arguments);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else { panic!("{} does not start", qemu.display()) };
        // The command holds QEMU's end, which would keep the connection open when QEMU has ended.
        drop(command);
        let lines = lines_of(child.stdout.take().expect("a pipe was asked for"));
        Self { child, lines, monitor: Monitor::open(ours), _directory: directory }
    }

    /// The next line of the guest, `None` when QEMU has ended.
    ///
    /// # Panics
    /// When no line comes for minutes, and when a line is not the guest's.
    pub(crate) fn line(&self) -> Option<String> {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(error) => panic!("the guest says nothing: {error}"),
        };
        let Some(fact) = line.strip_prefix(PREFIX) else { panic!("not a line of the guest: {line}") };
        Some(fact.to_owned())
    }

    /// The report, from its first line to its last.
    ///
    /// # Panics
    /// When it does not begin with `hello 1` or QEMU ends before `done`.
    pub(crate) fn report(&self) -> Report {
        assert_eq!(self.line().as_deref(), Some("hello 1"));
        let mut facts = Vec::new();
        loop {
            match self.line().expect("the guest ended in the middle of its report") {
                done if done == "done" => return Report(facts),
                fact => facts.push(fact),
            }
        }
    }

    /// All that the guest says from now until QEMU ends, and how that ended.
    pub(crate) fn rest(mut self) -> (Vec<String>, ExitStatus) {
        let rest = std::iter::from_fn(|| self.line()).collect();
        (rest, self.child.wait().expect("a child of this process"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only when QEMU has ended and was waited for, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        // A receiver that is gone means that the test is over.
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    receiver
}

/// What the guest reported between `hello` and `done`.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Vec<String>);

impl Report {
    /// The lines that begin with `key`, without it.
    pub(crate) fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).collect()
    }

    /// The only line that begins with `key`, without it.
    ///
    /// # Panics
    /// When there is not exactly one.
    pub(crate) fn one(&self, key: &str) -> &str {
        match self.all(key)[..] {
            [line] => line,
            _ => panic!("not one line `{key}` in {:#?}", self.0),
        }
    }
}

/// QEMU's monitor, spoken to in QMP.
pub(crate) struct Monitor {
    stream: BufReader<UnixStream>,
    events: Vec<Value>,
}

impl Monitor {
    /// Opens the conversation, and lets the guest run.
    fn open(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        let mut monitor = Self { stream: BufReader::new(stream), events: Vec::new() };
        let greeting = monitor.read();
        assert!(greeting.get("QMP").is_some(), "not a greeting: {greeting}");
        monitor.execute("qmp_capabilities", &json!({}));
        monitor.execute("cont", &json!({}));
        monitor
    }

    /// What QEMU returns for `command`.
    ///
    /// # Panics
    /// When QEMU refuses it or ends.
    pub(crate) fn execute(&mut self, command: &str, arguments: &Value) -> Value {
        // In one piece: QEMU obeys at the last bracket, and may be gone before a line feed that comes after it.
        let request = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        self.stream.get_mut().write_all(request.as_bytes()).expect("QEMU's monitor is open");
        loop {
            let mut answer = self.read();
            if answer.get("event").is_some() {
                self.events.push(answer);
                continue;
            }
            let Some(value) = answer.get_mut("return") else { panic!("{command}: {answer}") };
            return value.take();
        }
    }

    /// The data of the next event `name`; events before it are dropped.
    ///
    /// # Panics
    /// When QEMU ends before.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let mut waiting = std::mem::take(&mut self.events).into_iter();
        loop {
            let mut event = waiting.next().unwrap_or_else(|| self.read());
            if event["event"] == name {
                self.events.extend(waiting);
                return event["data"].take();
            }
        }
    }

    /// Presses the guest's power button.
    pub(crate) fn power_button(&mut self) {
        self.execute("system_powerdown", &json!({}));
    }

    /// Whether QEMU says that the guest runs, which is also true while it is halted.
    pub(crate) fn running(&mut self) -> bool {
        self.execute("query-status", &json!({}))["running"] == true
    }

    /// Waits until the first vCPU is halted, and tells whether an interrupt can wake it.
    pub(crate) fn halted_with_interrupts(&mut self) -> bool {
        const INTERRUPTS: u64 = 1 << 9;
        loop {
            let registers = self.registers();
            if register(&registers, "HLT") == 1 {
                return register(&registers, "RFL") & INTERRUPTS != 0;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the first vCPU is seen at work at one place twice.
    pub(crate) fn spins(&mut self) {
        let mut before = None;
        loop {
            let registers = self.registers();
            let place = (register(&registers, "HLT") == 0).then(|| register(&registers, "RIP"));
            if place.is_some() && place == before {
                return;
            }
            before = place;
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn registers(&mut self) -> String {
        let answer = self.execute("human-monitor-command", &json!({ "command-line": "info registers" }));
        answer.as_str().expect("text").to_owned()
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer of QEMU's monitor");
        serde_json::from_str(&line).expect("JSON; nothing when QEMU has ended")
    }
}

/// The number that stands behind `name=` in QEMU's list of registers.
fn register(registers: &str, name: &str) -> u64 {
    let word = registers.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let Some(word) = word else { panic!("no {name} in {registers}") };
    u64::from_str_radix(word, 16).expect("a hexadecimal number")
}
