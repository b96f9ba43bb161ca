//! What is asked of, and done for, a guest by its name. One command, or one family of commands, a file.

mod addresses;
mod attach;
mod cd;
mod console;
mod diff;
mod events;
mod foreign;
mod keys;
mod logs;
mod monitor;
mod net;
mod pci;
mod ps;
mod recover;
mod screenshot;
mod shown;
mod status;
mod stop;
mod top;
mod usb;
mod verb;
mod verify;

pub(super) use attach::attach;
pub(super) use cd::cd;
pub(super) use console::console;
pub(super) use diff::diff;
pub(super) use events::events;
pub(super) use keys::send_key;
pub(super) use logs::logs;
pub(super) use monitor::{hmp, qmp};
pub(super) use net::net;
pub(super) use pci::pci;
pub(super) use ps::ps;
pub(super) use recover::{owed_names, recover};
pub(super) use screenshot::screenshot;
pub(super) use status::status;
pub(super) use stop::stop;
pub(super) use top::top;
pub(super) use usb::usb;
pub(super) use verb::{Verb, verb};
pub(super) use verify::verify;

use super::output::{Output, Weight};
use super::refuse::refuse_with;
use super::{Exit, place, profiles};
use crate::apply::{Standing, standing};
use crate::host::{Caller, Root};
use crate::qemu::{Events, Qmp, QmpError};
use crate::supervise::{Silent, qmp_user_socket};
use crate::unit::GuestName;
use serde_json::json;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// How long a supervisor may take to let a new client in.
const GREETING: Duration = Duration::from_secs(3);

/// The run folder of `name`.
fn run_dir(name: &GuestName) -> PathBuf {
    place::run_dir_of_any(name, &Caller::current())
}

/// The state folder of `name`.
fn state_dir(name: &GuestName) -> PathBuf {
    place::state_dir(&Caller::current()).join(name.as_str())
}

/// Names of the guests that have a run folder.
pub(super) fn names() -> Vec<GuestName> {
    let entries = place::all_runs(&Caller::current()).into_iter().flat_map(fs::read_dir).flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| GuestName::try_from(entry.file_name().into_string().ok()?).ok()).collect();
    names.sort();
    names.dedup();
    names
}

/// Names of the guests that ever ran.
pub(super) fn known_names() -> Vec<GuestName> {
    let entries = fs::read_dir(place::state_dir(&Caller::current())).into_iter().flatten().flatten();
    let there = entries.filter(|entry| entry.path().join("runs").is_dir());
    let mut all: Vec<_> =
        there.filter_map(|entry| GuestName::try_from(entry.file_name().into_string().ok()?).ok()).collect();
    all.extend(names());
    all.sort();
    all.dedup();
    all
}

fn boot_id() -> String {
    Root::default().text("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// An event loop for `work`.
fn on_the_loop<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // A read of the terminal that is under way would hold the end up.
    runtime.shutdown_background();
    Ok(done)
}

/// Why a guest did not do what was asked.
enum Refused {
    /// Nobody listens for it.
    Away,
    /// Somebody listens, and says nothing.
    Silent(Silent),
    /// QEMU, or vmrun, said no.
    Said(String),
    /// vmrun said no, and what is to be done about it.
    Unless {
        /// What is so.
        what: String,
        /// What mends it.
        fix: String,
    },
}

impl Refused {
    fn unless(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Unless { what: what.into(), fix: fix.into() }
    }
}

impl From<QmpError> for Refused {
    fn from(error: QmpError) -> Self {
        match error {
            QmpError::Refused { desc, .. } => Self::Said(desc),
            QmpError::Closed | QmpError::TooLong { .. } | QmpError::Unreadable { .. } => Self::Said(error.to_string()),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        if let Some(silent) = Silent::of(&error) {
            return Self::Silent(silent);
        }
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::Away,
            _ => Self::Said(error.to_string()),
        }
    }
}

/// Does `work` for the guest `name`, and says why when it was not done.
fn for_guest(name: &GuestName, output: Output, work: impl Future<Output = Result<Exit, Refused>>) -> Exit {
    match on_the_loop(work).map_err(Refused::from).and_then(|done| done) {
        Ok(exit) => exit,
        Err(refused) => refuse(name, refused, output),
    }
}

fn refuse(name: &GuestName, refused: Refused, output: Output) -> Exit {
    let (exit, text, fix) = match (refused, standing(&run_dir(name))) {
        (_, Standing::Foreign) => {
            (Exit::Denied, format!("it {}", foreign::belongs(&run_dir(name))), foreign::ask_as_root(name))
        }
        (Refused::Said(what), _) => (Exit::Unwilling, what, String::new()),
        (Refused::Unless { what, fix }, _) => (Exit::Unwilling, what, fix),
        (Refused::Silent(silent), _) => (Exit::Unwilling, silent.to_string(), woken(name, silent)),
        (Refused::Away, Standing::Orphan) => (
            Exit::Orphan,
            "it runs without its vmrun, which was killed".to_owned(),
            format!("vmrun attach {name}   # is with it again"),
        ),
        (Refused::Away, Standing::Running) => (
            Exit::InTransition,
            "it is being started or ended".to_owned(),
            format!("vmrun status {name}   # tells when it is"),
        ),
        (Refused::Away, Standing::Owed) => {
            let fix = format!("vmrun recover {name}   # puts the host back");
            (Exit::Stopped, "it does not run, and its last run was cut short".to_owned(), fix)
        }
        (Refused::Away, Standing::Stopped) => (Exit::Stopped, "it does not run".to_owned(), not_running(name)),
    };
    if output.json {
        return output
            .answer_json(&json!({ "v": 1, "name": name, "error": text, "fix": fix, "exit": exit.code() }), exit);
    }
    refuse_with(exit, format!("{name}: {text}"), fix, output)
}

/// What is said of a guest of which nothing is kept.
fn never_ran(name: &GuestName, output: Output) -> Exit {
    match standing(&run_dir(name)) {
        Standing::Foreign => refuse(name, Refused::Away, output),
        Standing::Stopped | Standing::Owed | Standing::Running | Standing::Orphan => done(name, "it never ran", output),
    }
}

/// What to do about a guest that does not run: name one that does, or start it.
fn not_running(name: &GuestName) -> String {
    let others: Vec<_> = names().into_iter().filter(|other| other != name).map(|other| other.to_string()).collect();
    let start = profiles::named(Path::new(name.as_str())).map(|_| format!("vmrun run {name}   # starts it"));
    let others = (!others.is_empty()).then(|| format!("name one that runs: {}", others.join(", ")));
    let fixes: Vec<_> = start.into_iter().chain(others).collect();
    match fixes.is_empty() {
        true => "vmrun list   # names the profiles that can be started".to_owned(),
        false => fixes.join("\n"),
    }
}

/// What to do about a vmrun that does not answer.
fn woken(name: &GuestName, Silent { process }: Silent) -> String {
    let Some(pid) = process else { return format!("vmrun status {name}   # tells when it does") };
    format!(
        "kill -CONT {pid}   # lets it go on, if something stopped it, and do what was asked\n\
         kill -KILL {pid}   # ends it; a guest that runs goes on, and `vmrun attach {name}` is with it again"
    )
}

/// QEMU's monitor in the run folder `dir`, through its supervisor.
async fn monitor(dir: &Path) -> Result<(Qmp, Events), Refused> {
    let (qmp, events) = Qmp::connect(&qmp_user_socket(dir)).await?;
    match timeout(GREETING, qmp.raw("qmp_capabilities", &json!({}))).await {
        Ok(Ok(_)) => Ok((qmp, events)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Refused::Said("its vmrun does not answer".into())),
    }
}

/// Says that something was done.
fn done(name: &GuestName, what: &str, output: Output) -> Exit {
    if output.json {
        return output.answer_json(&json!({ "v": 1, "name": name, "done": what }), Exit::Good);
    }
    if !output.quiet {
        output.say(Weight::Info, &format!("{name}: {what}"));
    }
    Exit::Good
}
