//! `vmrun status`: all that is known of one guest.

use super::addresses::{Address, addresses};
use super::foreign::{ask_as_root, belongs};
use super::shown::{ago, event};
use super::{on_the_loop, run_dir, state_dir};
use crate::apply::{Standing, standing};
use crate::cli::Exit;
use crate::cli::args;
use crate::cli::output::Output;
use crate::process::escaped;
use crate::supervise::{Ask, PinStatus, ServiceStatus, Silent, Status, ask, latest_run, plan_of};
use crate::unit::GuestName;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Lines of QEMU's log that are shown.
const LINES: usize = 5;

/// How a guest is, as its locks and its supervisor say.
pub(super) struct Seen {
    pub(super) exit: Exit,
    pub(super) word: String,
    pub(super) status: Option<Status>,
    /// The supervisor, when it is there and does not answer.
    silent: Option<Silent>,
}

/// Looks at the guest in the run folder `dir`.
pub(super) async fn look(dir: &Path) -> Seen {
    let answer = ask(dir, &Ask::Status {}).await;
    let silent = answer.as_ref().err().and_then(Silent::of);
    let status: Option<Status> = answer.ok().and_then(|status| serde_json::from_value(status).ok());
    let (exit, word) = match (standing(dir), &status) {
        (Standing::Foreign, _) => return Seen { exit: Exit::Denied, word: belongs(dir), status, silent },
        (Standing::Stopped, _) => (Exit::Stopped, "stopped"),
        (Standing::Owed, _) => (Exit::NeedsRecover, "cut short"),
        (Standing::Orphan, _) => (Exit::Orphan, "orphan"),
        (Standing::Running, Some(status)) if status.state == "running" => (Exit::Good, word(status)),
        (Standing::Running, Some(status)) => (Exit::InTransition, status.state.as_str()),
        (Standing::Running, None) if silent.is_some() => (Exit::Unwilling, "does not answer"),
        (Standing::Running, None) => (Exit::InTransition, "being started or ended"),
    };
    Seen { exit, word: word.to_owned(), status, silent }
}

/// QEMU's own word tells more than that the guest runs: `paused`, `suspended`, `io-error`.
fn word(status: &Status) -> &str {
    status.guest.as_deref().unwrap_or(&status.state)
}

/// Says how a guest is, and by the exit code.
pub(in crate::cli) fn status(args::Status { name }: &args::Status, output: Output) -> Exit {
    let dir = run_dir(name);
    let looked = on_the_loop(async {
        let seen = look(&dir).await;
        let reached = reached(&dir, &seen).await;
        (seen, reached)
    });
    let Ok((seen, reached)) = looked else { return Exit::Internal };
    let Seen { exit, word, status, .. } = &seen;
    let last = last_exit(&state_dir(name));
    if output.json {
        let answer = json!({
            "v": 1, "name": name, "state": word, "vmrun": status, "addresses": reached, "last": last,
            "exit": exit.code(),
        });
        return output.answer_json(&answer, *exit);
    }
    output.answer(&page(name, &seen, &reached, &last), *exit)
}

/// Where a guest that runs can be reached.
async fn reached(dir: &Path, seen: &Seen) -> Vec<Address> {
    match (seen.exit, plan_of(dir)) {
        (Exit::Good | Exit::Orphan, Ok(Some(plan))) => addresses(dir, &plan).await,
        _ => Vec::new(),
    }
}

fn last_exit(state: &Path) -> Value {
    let text = fs::read_to_string(state.join("last-exit.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn page(name: &GuestName, seen: &Seen, reached: &[Address], last: &Value) -> String {
    let Seen { exit, word, status, silent } = seen;
    let mut page = format!("{name}: {word}");
    match (exit, status) {
        (Exit::Unwilling, _) if let Some(Silent { process: Some(pid) }) = silent => {
            _ = write!(
                page,
                "; its vmrun is stopped or stuck: `kill -CONT {pid}` lets it go on, `kill -KILL {pid}` ends it, and \
                 `vmrun attach {name}` is with the guest again"
            );
        }
        (Exit::Orphan, _) => _ = write!(page, "; its vmrun was killed: `vmrun attach {name}` is with it again"),
        (Exit::Denied, _) => _ = write!(page, "; `{}` tells more", ask_as_root(name)),
        (Exit::NeedsRecover, _) => _ = write!(page, "; the host is not put back yet: vmrun recover {name}"),
        (Exit::Stopped, _) if !last.is_null() => {
            let reason = last["end"]["ended"]["reason"].as_str().unwrap_or("unknown").replace('_', " ");
            _ = write!(page, "; the last run ended: {reason} (exit {})", last["exit"]);
        }
        (_, Some(status)) => _ = write!(page, ", for {} (since {})", ago(status.since), since(status.since)),
        (_, None) => {}
    }
    page.push('\n');
    match status {
        Some(status) => facts(&mut page, status, reached),
        None => {
            if let Some(dir) = latest_run(&state_dir(name)) {
                row(&mut page, "logs", &dir.display().to_string());
            }
        }
    }
    page
}

fn facts(page: &mut String, status: &Status, reached: &[Address]) {
    let Status { supervisor, qemu, vcpus, memory, devices, pins, services, logs, events, .. } = status;
    let qemu = qemu.map(|pid| format!(", qemu {pid}")).unwrap_or_default();
    row(page, "processes", &format!("vmrun {supervisor}{qemu}"));
    row(page, "machine", &format!("{vcpus} vCPU{}, {memory} of memory", if *vcpus == 1 { "" } else { "s" }));
    if pins.placed > 0 {
        row(page, "threads", &placed(pins));
    }
    if !devices.is_empty() {
        row(page, "devices", &devices.join(", "));
    }
    for address in reached {
        row(page, "address", &place(address));
    }
    if !services.is_empty() {
        row(page, "services", &services.iter().map(service).collect::<Vec<_>>().join(", "));
    }
    row(page, "logs", &logs.display().to_string());
    lines(page, "last events", events.iter().map(event));
    lines(page, "last lines of QEMU", tail(&logs.join("qemu.log")).into_iter());
}

fn row(page: &mut String, label: &str, text: &str) {
    _ = writeln!(page, "  {label:9}  {text}");
}

fn lines(page: &mut String, head: &str, lines: impl ExactSizeIterator<Item = String>) {
    if lines.len() > 0 {
        _ = writeln!(page, "  {head}");
        lines.for_each(|line| _ = writeln!(page, "    {line}"));
    }
}

/// How the pins are.
pub(super) fn placed(PinStatus { placed, moved }: &PinStatus) -> String {
    match moved.is_empty() {
        true => format!("{placed}, all in their place"),
        false => format!("{placed}, moved by somebody: {}", moved.join(", ")),
    }
}

fn place(Address { ip, device, source }: &Address) -> String {
    match device.as_str() {
        "" => format!("{ip} ({source})"),
        device => format!("{ip} ({device}; {source})"),
    }
}

fn service(ServiceStatus { name, process }: &ServiceStatus) -> String {
    process.map_or_else(|| format!("{name} (down)"), |process| format!("{name} ({})", process.pid))
}

/// The last lines of a log, without anything that a terminal obeys.
pub(super) fn tail(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| escaped(line).into_owned()).collect()
}

fn since(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}
