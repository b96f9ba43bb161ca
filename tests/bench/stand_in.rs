//! QEMU's stand-in: has the threads and the monitor of a QEMU and costs nothing, so that what vmrun costs can be seen.
//!
//! It writes down when it came that far, in nanoseconds since 1970, since its clock is the harness's. What vmrun asks
//! of a QEMU that it does not know yet, the real one answers.

use serde_json::{Value, json};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::FromRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time that is left to vmrun between the guest's start and its end.
const LIFE: Duration = Duration::from_millis(30);

/// When each thing happened.
#[derive(Default)]
struct Trace(Vec<(&'static str, u128)>);

impl Trace {
    fn mark(&mut self, what: &'static str) {
        self.0.push((what, SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos())));
    }
}

pub(crate) fn run() {
    let mut trace = Trace::default();
    trace.mark("exec");
    let words: Vec<String> = env::args().collect();
    let beside = |name: &str| PathBuf::from(&words[0]).with_file_name(name);
    if !words.iter().any(|word| word == "-smp") {
        let error = Command::new(beside("real")).args(&words[1..]).exec();
        panic!("the real QEMU: {error}");
    }
    let life = fs::read_to_string(beside("life")).unwrap_or_default();
    let mut qemu = Emulator::new(&words);
    if let Some(descriptor) = monitor(&words) {
        serve(&mut qemu, &listener(descriptor), &life, &mut trace);
    }
    trace.mark("exit");
    let lines: Vec<String> = trace.0.iter().map(|(what, when)| format!("{what} {when}\n")).collect();
    let _ = fs::write(beside("trace"), lines.concat());
    exit(0)
}

/// Number of the descriptor that listens for the monitor's clients.
fn monitor(words: &[String]) -> Option<i32> {
    let chardev = words.iter().find(|word| word.starts_with("socket,id=qmp,fd="))?;
    chardev.split([',', '=']).nth(4)?.parse().ok()
}

#[allow(unsafe_code)]
fn listener(descriptor: i32) -> UnixListener {
    // SAFETY: the one who executed this program opened it for this, and nobody else here uses the number.
    unsafe { UnixListener::from_raw_fd(descriptor) }
}

fn serve(qemu: &mut Emulator, listener: &UnixListener, life: &str, trace: &mut Trace) {
    let (mut client, _) = listener.accept().expect("a client");
    let greeting = json!({"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""},
        "capabilities": ["oob"]}});
    trace.mark("greeting");
    say(&mut client, &greeting);
    let lines = BufReader::new(client.try_clone().expect("a second handle")).lines();
    for line in lines.map_while(Result::ok) {
        let Ok(asked) = serde_json::from_str::<Value>(&line) else { continue };
        let command = asked["execute"].as_str().unwrap_or_default();
        if command == "cont" {
            trace.mark("cont");
        }
        let mut answer = json!({"return": qemu.answer(command)});
        if let Some(id) = asked.get("id") {
            answer["id"] = id.clone();
        }
        say(&mut client, &answer);
        if command == "cont" && lived(&mut client, life) || matches!(command, "quit" | "system_powerdown") {
            say(&mut client, &event("SHUTDOWN", &json!({"guest": true, "reason": "guest-shutdown"})));
            return;
        }
    }
}

/// Lets the guest live as it was told, and says whether it has ended.
fn lived(client: &mut UnixStream, life: &str) -> bool {
    say(client, &event("RESUME", &json!({})));
    let (order, count) = life.trim().split_once(' ').unwrap_or((life.trim(), "0"));
    for _ in 0..count.parse::<u32>().unwrap_or(0) {
        say(client, &event("RESET", &json!({"guest": true, "reason": "guest-reset"})));
        thread::sleep(Duration::from_millis(1));
    }
    if order == "off" {
        thread::sleep(LIFE);
    }
    order == "off"
}

fn event(name: &str, data: &Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp = json!({"seconds": now.as_secs(), "microseconds": now.subsec_micros()});
    json!({"timestamp": timestamp, "event": name, "data": data})
}

fn say(client: &mut UnixStream, what: &Value) {
    // A client that is gone is noticed when it is read from.
    let _ = client.write_all(format!("{what}\r\n").as_bytes());
}

struct Emulator {
    vcpus: Vec<i32>,
    iothreads: Vec<(String, i32)>,
    running: bool,
}

impl Emulator {
    /// With a thread for each vCPU and iothread of the command line.
    fn new(words: &[String]) -> Self {
        let after = |option: &str| words.iter().position(|word| word == option).and_then(|at| words.get(at + 1));
        let count = after("-smp").and_then(|smp| smp.split(',').next()?.parse().ok()).unwrap_or(1);
        let objects = words.iter().filter_map(|word| serde_json::from_str::<Value>(word).ok());
        let iothreads = objects.filter(|object| object["qom-type"] == "iothread");
        let iothreads = iothreads.filter_map(|object| object["id"].as_str().map(str::to_owned));
        Self {
            vcpus: (0..count).map(|_| idle_thread()).collect(),
            iothreads: iothreads.map(|id| (id, idle_thread())).collect(),
            running: false,
        }
    }

    fn answer(&mut self, command: &str) -> Value {
        match command {
            "query-cpus-fast" => self.vcpus.iter().enumerate().map(vcpu).collect(),
            "query-iothreads" => self.iothreads.iter().map(|(id, tid)| json!({"id": id, "thread-id": tid})).collect(),
            "query-status" => {
                let status = if self.running { "running" } else { "prelaunch" };
                json!({"status": status, "running": self.running, "singlestep": false})
            }
            "cont" => {
                self.running = true;
                json!({})
            }
            _ => json!({}),
        }
    }
}

/// As QEMU 7.2 describes one; the `thread-id` in `props` is a place in the topology.
fn vcpu((index, tid): (usize, &i32)) -> Value {
    json!({"thread-id": tid, "props": {"core-id": index, "thread-id": 0, "die-id": 0, "socket-id": 0},
        "qom-path": format!("/machine/unattached/device[{index}]"), "cpu-index": index, "target": "x86_64"})
}

fn idle_thread() -> i32 {
    let (tell, told) = channel();
    let thread = thread::Builder::new().stack_size(16 << 10).spawn(move || {
        let _ = tell.send(nix::unistd::gettid().as_raw());
        loop {
            thread::park();
        }
    });
    thread.expect("a thread");
    told.recv().expect("its number")
}
