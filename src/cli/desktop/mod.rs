//! `vmrun desktop-entry` and `vmrun unit`: a guest is started by a click, or by systemd.

mod entry;
mod unit;

use super::args::{DesktopEntry, HostFile, Layers, Unit};
use super::load::{Loaded, Planned};
use super::output::{Output, Weight};
use super::refuse::failed;
use super::{Exit, profiles};
use crate::apply::ApplyError;
use crate::host::Caller;
use crate::plan::{Class, Ending};
use entry::Entry;
use std::env;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use unit::{Manager, Service};

/// Writes a desktop entry.
pub(super) fn entry(args: &DesktopEntry, output: Output) -> Exit {
    let loaded = match Loaded::read(&args.profile, &args.layers) {
        Ok(loaded) => loaded,
        Err(rejected) => return rejected.and_on(&HostFile::default()).tell(output),
    };
    let caller = Caller::current();
    let planned = loaded.plan_here();
    let entry = Entry {
        name: loaded.profile.name(),
        program: &program(),
        profile: &whole(&args.profile),
        layers: &words(&args.layers),
        as_root: takes_root(&planned, &caller),
        icon: entry::icon(),
    };
    let text = entry.to_string();
    if !args.install {
        return output.answer_text(&text, Exit::Good);
    }
    let path = applications(&caller).join(format!("vmrun-{}.desktop", entry.name));
    match write(&path, &text) {
        Ok(()) => {
            if !output.quiet {
                output.say(Weight::Info, &format!("{} is written; the menu has {}", path.display(), entry.name));
            }
            Exit::Good
        }
        Err(error) => failed(&error, output),
    }
}

/// Writes a unit of systemd.
pub(super) fn unit(args: &Unit, output: Output) -> Exit {
    let manager = if args.user { Manager::User } else { Manager::System };
    let (program, layers) = (program(), words(&args.layers));
    let Some(profile) = &args.profile else {
        return output.answer_text(&Service::template(&program, &layers, manager).to_string(), Exit::Good);
    };
    let loaded = match Loaded::read(profile, &args.layers) {
        Ok(loaded) => loaded,
        Err(rejected) => return rejected.and_on(&HostFile::default()).tell(output),
    };
    let Ending { timeout, .. } = loaded.plan_here().contents().ending;
    let service = Service::of(loaded.profile.name(), &whole(profile), timeout, (&program, &layers), manager);
    output.answer_text(&service.to_string(), Exit::Good)
}

/// The unit of a guest for the system's systemd.
pub(super) fn unit_of(loaded: &Loaded, planned: &Planned, profile: &Path, layers: &Layers) -> String {
    let Ending { timeout, .. } = planned.contents().ending;
    let start = (&*program(), &*words(layers));
    Service::of(loaded.profile.name(), &whole(profile), timeout, start, Manager::System).to_string()
}

/// This program, by the path that it was started from.
fn program() -> PathBuf {
    env::current_exe().unwrap_or_else(|_| PathBuf::from("vmrun"))
}

/// The profile by a path that holds wherever it is used.
fn whole(profile: &Path) -> PathBuf {
    let file = profiles::file(profile);
    absolute(&file).unwrap_or(file)
}

/// The layers as words of a command line.
fn words(Layers { variants, sets }: &Layers) -> Vec<String> {
    let pairs = |option: &'static str, values: &[String]| {
        values.iter().flat_map(|value| [option.to_owned(), value.clone()]).collect::<Vec<_>>()
    };
    [pairs("--variant", variants), pairs("--set", sets)].concat()
}

/// Whether the guest is started as root: for a user, when something is refused for want of rights; for root, who is
/// refused nothing, when the host is changed.
fn takes_root(planned: &Planned, caller: &Caller) -> bool {
    let contents = planned.contents();
    match (&planned.plan, caller.euid) {
        (_, 0) => !contents.devices.is_empty() || !contents.changes.is_empty(),
        (Ok(_), _) => false,
        (Err(refusal), _) => refusal.problems.iter().any(|problem| problem.class == Class::Denied),
    }
}

/// Where menus look for entries: the user's own folder, or that of all users. XDG base directory specification.
fn applications(caller: &Caller) -> PathBuf {
    let own = match (caller.euid, caller.invoker) {
        (0, None) => return PathBuf::from("/usr/local/share/applications"),
        (_, Some(_)) => None,
        (_, None) => env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute()),
    };
    let share = own.or_else(|| super::place::home(caller).map(|home| home.join(".local/share")));
    share.unwrap_or_else(|| PathBuf::from("/usr/local/share")).join("applications")
}

fn write(path: &Path, text: &str) -> Result<(), ApplyError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(ApplyError::io("make", folder))?;
    fs::write(path, text).map_err(ApplyError::io("write", path))
}
