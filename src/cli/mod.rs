//! Floor 5: the door. The only place that prints, and where each way of ending gets its exit code.

pub mod alert;
pub mod args;
mod becomes;
mod broken;
mod busy;
mod check;
mod demo;
mod desktop;
mod edit;
mod ending;
mod explain;
mod export;
mod firmware;
mod guest;
mod host;
mod import;
mod isolate;
mod lately;
mod layers;
mod list;
mod load;
mod man;
mod msi;
mod new;
pub mod output;
mod permissions;
mod pick;
mod place;
mod plan;
mod profiles;
mod progress;
mod refuse;
mod render;
mod report;
mod rom;
mod run;
mod save;
mod schema;
mod trust;
mod usage;
mod why;

use crate::plan::Class;
use crate::process::{keep_their_ends, share_one_heap};
use args::{Cli, Command};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use clap_complete::CompleteEnv;
use guest::Verb;
use output::Output;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// Exit codes. A stable interface: scripts, units and desktop entries act on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The guest ended well (its own power-off, or a stop that it obeyed) and the host is as before.
    Good = 0,
    /// vmrun itself is wrong; a journal may be left. Of `vmrun check`: the machine has a fault, [`Exit::FAULT`].
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,

    // Of commands that name a guest; those of `vmrun status` have the meanings of service scripts. Running is 0.
    /// The guest does not run.
    Stopped = 3,
    /// The guest runs, and no vmrun is with it.
    Orphan = 4,
    /// A run was cut short; `vmrun recover` puts the host back.
    NeedsRecover = 5,
    /// The guest is being started or ended.
    InTransition = 6,
    /// The guest, its QEMU or its vmrun refused what was asked of it, or its vmrun does not answer.
    Unwilling = 7,
    /// `vmrun verify` found something that is not as planned; `vmrun diff`, that the profile is not what the guest has.
    NotAsPlanned = 8,

    /// What was asked for is made, and something of what it was made of is not in it: of `vmrun import` and `vmrun export`.
    Incomplete = 9,

    // Refused before anything was touched.
    /// The profile cannot be read, or is wrong on any host.
    Invalid = 10,
    /// The profile is good, and impossible on this host.
    Impossible = 11,
    /// Something is missing: QEMU, KVM, a module, firmware, systemd.
    Missing = 12,
    /// Permission, trust or limits.
    Denied = 13,
    /// The guest, a device or an image is in use.
    Busy = 14,

    // Not started; the host is put back.
    /// A hook before the guest's start failed.
    Hook = 20,
    /// A companion that the guest cannot do without failed.
    Companion = 21,
    /// The host could not be prepared.
    Preparation = 22,
    /// QEMU did not start.
    NoStart = 30,

    // Ended badly; the host is put back.
    /// QEMU died.
    Died = 31,
    /// The guest panicked.
    Panicked = 32,
    /// The guest asked for a reboot, and the profile says that this ends the run.
    Rebooted = 33,
    /// The guest was forced off after its time to stop.
    Forced = 35,
    /// The guest showed no sign of life after its start, and was forced off.
    Lifeless = 36,
    /// All went well but a hook after the guest's end.
    PostHook = 40,
    /// **The host is not fully put back**: run `vmrun recover`. Wins over every other code.
    NotRestored = 41,

    // Ended by a signal after cleaning up. The signal is raised again, so that shells and systemd see it.
    /// SIGHUP.
    Hangup = 129,
    /// SIGINT.
    Interrupt = 130,
    /// SIGQUIT.
    Quit = 131,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// `vmrun check` has found a fault of the machine.
    pub const FAULT: Self = Self::Internal;

    /// The code as the shell sees it.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl From<Class> for Exit {
    fn from(class: Class) -> Self {
        match class {
            Class::Invalid => Self::Invalid,
            Class::Impossible => Self::Impossible,
            Class::Missing => Self::Missing,
            Class::Denied => Self::Denied,
            Class::Busy => Self::Busy,
        }
    }
}

/// Does what the command line says; `words` starts with the program's own name.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> Exit {
    keep_their_ends();
    share_one_heap();
    // A shell that asks what a word may be gets its answer here, and the process ends.
    CompleteEnv::with_factory(args::command).complete();
    let words: Vec<_> = words.into_iter().collect();
    let cli = match parse(words.clone()) {
        Ok(cli) => cli,
        Err(error) => return usage::refuse(&error, &words),
    };
    let output = Output::new(cli.global);
    broken::leave_at_once(&cli.command, output);
    let output = if matches!(cli.command, Command::Run(_) | Command::Attach(_)) { output.of_a_run() } else { output };
    match &cli.command {
        Command::DesktopEntry(args) => desktop::entry(args, output),
        Command::Edit(args) => edit::run(args, output),
        Command::List(_) => list::run(output),
        Command::Man(args) => man::run(args, output),
        Command::New(args) => new::run(args, output),
        Command::Run(args) => run::run(args, output),
        Command::Plan(args) => plan::run(args, output),
        Command::Check(args) => check::run(args, output),
        Command::Demo(args) => demo::run(args, output),
        Command::Ps(_) => guest::ps(output),
        Command::Status(args) => guest::status(args, output),
        Command::Stop(args) => guest::stop(args, output),
        Command::Attach(args) => guest::attach(args, output),
        Command::Reset(args) => guest::verb(Verb::Reset, args, output),
        Command::Pause(args) => guest::verb(Verb::Pause, args, output),
        Command::Resume(args) => guest::verb(Verb::Resume, args, output),
        Command::Wake(args) => guest::verb(Verb::Wake, args, output),
        Command::Console(args) => guest::console(args, output),
        Command::Logs(args) => guest::logs(args, output),
        Command::Events(args) => guest::events(args, output),
        Command::Qmp(args) => guest::qmp(args, output),
        Command::Hmp(args) => guest::hmp(args, output),
        Command::Screenshot(args) => guest::screenshot(args, output),
        Command::SendKey(args) => guest::send_key(args, output),
        Command::Cd(args) => guest::cd(args, output),
        Command::Usb(args) => guest::usb(args, output),
        Command::Net(args) => guest::net(args, output),
        Command::Pci(args) => guest::pci(args, output),
        Command::Diff(args) => guest::diff(args, output),
        Command::Verify(args) => guest::verify(args, output),
        Command::Top(args) => guest::top(args, output),
        Command::Recover(args) => guest::recover(args, output),
        Command::Host(args) => host::run(args, output),
        Command::Pick(args) => pick::run(args, output),
        Command::Import(args) => import::run(args, output),
        Command::Isolate(args) => isolate::run(args, output),
        Command::Rom(args) => rom::run(args, output),
        Command::Schema => schema::run(output),
        Command::Export(args) => export::run(args, output),
        Command::Explain(args) => explain::run(args, output),
        Command::Report(args) => report::run(args, output),
        Command::Unit(args) => desktop::unit(args, output),
        Command::Why(args) => why::run(args, output),
    }
}

/// Parses the command line; a profile where a command belongs is run.
fn parse(mut words: Vec<OsString>) -> Result<Cli, clap::Error> {
    if let Some(cli) = started(&words).and_then(|words| args::start(&words)) {
        return Ok(cli);
    }
    let mut command = Cli::command();
    let error = match read(&mut command, &words) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    if let Some(at) = profile_at(&words, &error) {
        words.insert(at, "run".into());
        if let Ok(cli) = read(&mut command, &words) {
            return Ok(cli);
        }
    }
    // What help shows is put together for those alone who get to see it: it takes as long as a plan.
    read(&mut args::command(), &words)
}

/// The same when it is a start, with the command that a profile without one stands for; no command ends in `.toml`.
fn started(words: &[OsString]) -> Option<Vec<OsString>> {
    let first = words.iter().skip(1).position(|word| !word.to_string_lossy().starts_with('-'))? + 1;
    if words[first] == "run" {
        return Some(words.to_vec());
    }
    let is_profile = Path::new(&words[first]).extension() == Some(OsStr::new("toml"));
    is_profile.then(|| [&words[..first], &["run".into()], &words[first..]].concat())
}

fn read(command: &mut clap::Command, words: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command.try_get_matches_from_mut(words);
    Cli::from_arg_matches_mut(&mut matches?)
}

/// Where the word stands that is no command and names a profile.
fn profile_at(words: &[OsString], error: &clap::Error) -> Option<usize> {
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(unknown))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    else {
        return None;
    };
    let is_it = |word: &OsString| word.to_string_lossy() == *unknown;
    let at = words.iter().skip(1).position(is_it)? + 1;
    let path = Path::new(&words[at]);
    let is_one = path.extension() == Some(OsStr::new("toml")) || path.is_file() || profiles::named(path).is_some();
    is_one.then_some(at)
}
