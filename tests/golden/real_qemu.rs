//! Everything that is planned starts in the real QEMU, in both versions: it takes every option, builds the machine,
//! stays paused and greets on the descriptor that it was given.

use crate::cases::{self, Case};
use crate::scene::Scene;
use crate::setup;
use crate::shipped;
use crate::stand_in::StandIn;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vmrun::plan::Contents;

#[test]
fn qemu_7_2_starts_everything_that_is_planned() {
    starts_everything("VMRUN_TEST_QEMU_7_2", "7.2");
}

#[test]
fn qemu_10_0_starts_everything_that_is_planned() {
    starts_everything("VMRUN_TEST_QEMU_10_0", "10.0");
}

fn starts_everything(name: &str, version: &str) {
    let qemu = setup::path(name);
    let cases = cases::all().into_iter().chain(shipped::all());
    let mut started = BTreeSet::new();
    let failures = cases.filter_map(|case| {
        // What is planned for a newer QEMU is that one's.
        let newer = Scene::names_newer_than(&case.text, version);
        let plan = case.plan().ok().filter(|_| !newer)?;
        start(&qemu, version, &plan, &mut started)
            .err()
            .map(|why| format!("{} in QEMU {version}: {why}", case_name(&case)))
    });
    let failures: Vec<String> = failures.collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn case_name(case: &Case) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = case.path.strip_prefix(root).unwrap_or(&case.path).display();
    case.variant.as_ref().map_or_else(|| path.to_string(), |variant| format!("{path} --variant {variant}"))
}

/// Starts `qemu` as `plan` says, with stand-ins, waits for its greeting and ends it; unless a plan in `started` became the
/// same command line with them, of which a second start would prove nothing more.
fn start(qemu: &Path, version: &str, plan: &Contents, started: &mut BTreeSet<String>) -> Result<(), String> {
    let dir = tempfile::tempdir().expect("a folder");
    let socket = dir.path().join("qmp");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let serial = UnixListener::bind(dir.path().join("serial")).expect("a socket");
    let monitor = UnixStream::connect(&socket).expect("its own listener");
    monitor.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit for a QEMU that hangs");
    let stand_in = StandIn::new(dir.path(), version);
    let words = stand_in.words(plan.argv.args());
    let anywhere = words.join("\n").replace(&dir.path().display().to_string(), "");
    // The stand-in for a TPM runs already, and ends with QEMU.
    if !started.insert(anywhere) && !words.iter().any(|word| word.contains("tpm-socket")) {
        return Ok(());
    }
    let mut child = spawn(qemu, &words, listener, serial);
    let outcome = greet(monitor);
    if outcome.is_err() {
        // It has said nothing that is understood, so it cannot be asked to end.
        child.kill().expect("its own child");
    }
    let status = child.wait().expect("a child");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    match outcome {
        Ok(()) if status.success() => Ok(()),
        Ok(()) => Err(format!("{status}: {said}")),
        Err(error) => Err(format!("no greeting ({error}), {status}: {said}")),
    }
}

/// QEMU with the listening socket as descriptor 3, as in a real start; another is for a serial port that vmrun holds.
fn spawn(qemu: &Path, words: &[String], listener: UnixListener, serial: UnixListener) -> Child {
    let command = r#"exec "$0" "$@" 3<&0 4<&1 5<&1 6<&1 0</dev/null 1>&2"#;
    Command::new("/bin/sh")
        .args(["-c", command])
        .arg(qemu)
        .args(words)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::from(OwnedFd::from(serial)))
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell")
}

fn greet(mut monitor: UnixStream) -> Result<(), String> {
    let mut answers = BufReader::new(monitor.try_clone().expect("a second handle"));
    let mut next = || {
        loop {
            let mut line = String::new();
            answers.read_line(&mut line).map_err(|error| error.to_string())?;
            // What connects while QEMU starts is told between the answers.
            if !line.contains("\"event\": ") {
                return Ok::<_, String>(line);
            }
        }
    };
    let greeting = next()?;
    if !greeting.contains("\"QMP\"") {
        return Err(format!("it said {greeting:?}"));
    }
    let words = b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-status\"}\n{\"execute\":\"quit\"}\n";
    monitor.write_all(words).map_err(|error| error.to_string())?;
    let (_, status) = (next()?, next()?);
    if !status.contains("\"prelaunch\"") {
        return Err(format!("it is not paused before its first instruction: {status}"));
    }
    // QEMU forgets what it was told by a peer that is gone, so the peer stays. Its end may come as a reset; the status
    // tells.
    let _ = answers.read_to_end(&mut Vec::new());
    Ok(())
}
