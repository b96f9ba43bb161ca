//! `vmrun new`: a guest in a few questions, each with what was found and why; the answer is one commented profile.
//!
//! What a flag gives is not asked; with `--yes` nothing is. The profile is planned before it is written, as its variant
//! for the installation too, so that what cannot run here is told first.

mod choice;
mod disk;
mod found;
mod talk;
mod text;
mod verdict;

use super::args::New;
use super::load::dumped;
use super::output::{Output, Weight};
use super::refuse::{SILENT, refuse, refuse_with};
use super::{Exit, place, profiles};
use crate::host::{Area, Caller, Host, Root, Wants};
use crate::plan::{Class, Problem};
use crate::profile::reference::schema;
use crate::unit::Size;
use choice::Choice;
use found::{Found, screen};
use nix::unistd::{Gid, Uid, User, chown};
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf, absolute};
use talk::{End, Talk};

/// Where the package puts the schema of profiles.
const SCHEMA: &str = "/usr/share/vmrun/schema.json";
/// The same, written beside the profiles where there is no package.
const OWN_SCHEMA: &str = "schema.json";

/// What a proposal follows from.
const LOOKED_AT: [Area; 6] = [Area::Pci, Area::Names, Area::Holders, Area::Cpus, Area::Sound, Area::Interfaces];
/// Longest command whose neighbours stand in line with it, in columns.
const COLUMN: usize = 33;

/// Asks, shows, writes.
pub(super) fn run(args: &New, output: Output) -> Exit {
    match attempt(args, output) {
        Ok(exit) | Err(End::Told(exit)) => exit,
        Err(End::Left) => {
            output.say(Weight::Info, "\nnothing is written");
            Exit::Good
        }
        Err(End::Wrong(problem)) => refuse(&[*problem], output),
        Err(End::Terminal(error)) => {
            let what = format!("the terminal does not answer: {error}");
            refuse_with(Exit::Internal, what, SILENT, output)
        }
    }
}

fn attempt(args: &New, output: Output) -> Result<Exit, End> {
    let mut talk = talk(args, output)?;
    let host = match &args.host {
        Some(path) => dumped(path).map_err(|rejected| End::Told(rejected.tell(output)))?,
        None => Host::read(&Root::default(), &Wants::of(LOOKED_AT)),
    };
    let found = Found::of(host, args.host.is_some(), output.width);
    let choice = Choice::make(args, &found, talk.as_mut())?;
    let path = args.output.clone().unwrap_or_else(|| found.profiles.join(format!("{}.toml", choice.name)));
    if path.exists() {
        let problem = Problem::new(Class::Busy, "", format!("{} is there already", path.display()));
        return Err(problem.fix("another name, or `vmrun edit` for the one that is there").into());
    }
    let packaged = Path::new(SCHEMA).is_file();
    // In the profile itself the way to it does not depend on where one stands.
    let word = typed(&absolute(&path).unwrap_or_else(|_| path.clone()));
    let text = text::profile(&choice, &found, &word, if packaged { SCHEMA } else { OWN_SCHEMA });
    verdict::tell(&path, &text, &choice, &found, output)?;
    if let Some(talk) = &mut talk {
        talk.say(&format!("\n{text}"))?;
        let made = disk_to_make(args, &choice)
            .map_or(String::new(), |size| format!(" and a disk of {size}, which grows as it fills"));
        if !talk::agreed(&format!("write {}{made}?", path.display()))? {
            return Err(End::Left);
        }
    }
    write(&path, &text, packaged, disk_to_make(args, &choice), &choice)?;
    output.say(Weight::Info, &next(&path, args, &choice));
    Ok(Exit::Good)
}

/// A conversation, unless none is wanted.
fn talk(args: &New, output: Output) -> Result<Option<Talk>, End> {
    match (args.yes, io::stdin().is_terminal() && io::stderr().is_terminal()) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(Talk::new(output.width))),
        (false, false) => {
            let problem = Problem::new(Class::Invalid, "", "to ask takes a terminal, and this is none");
            Err(problem.fix("vmrun new NAME … --yes, which takes what it would propose").into())
        }
    }
}

/// Size of the disk that is made now; none for a guest of another machine, whose disks are not here.
fn disk_to_make(args: &New, choice: &Choice) -> Option<Size> {
    choice.disk.size.filter(|_| args.host.is_none())
}

fn write(path: &Path, text: &str, packaged: bool, size: Option<Size>, choice: &Choice) -> Result<(), End> {
    let folder = place::folder_of(path);
    make_folder(&folder)?;
    if !packaged {
        put(&folder.join(OWN_SCHEMA), &format!("{:#}\n", schema()))?;
    }
    if let Some(size) = size {
        make_folder(&place::folder_of(&choice.disk.path))?;
        disk::make(&choice.disk, size)?;
        own(&choice.disk.path);
    }
    put(path, text)
}

fn put(path: &Path, text: &str) -> Result<(), End> {
    // Root of the whole machine: the path is the user's own.
    Root::default()
        .replace(place::folder_of(path).join(path.file_name().unwrap_or_default()), text.as_bytes())
        .map_err(|error| failed("write", path, &error))?;
    own(path);
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), End> {
    let missing: Vec<PathBuf> = folder.ancestors().take_while(|it| !it.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(folder).map_err(|error| failed("make", folder, &error))?;
    missing.iter().for_each(|made| own(made));
    Ok(())
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> End {
    let class = if error.kind() == io::ErrorKind::PermissionDenied { Class::Denied } else { Class::Missing };
    Problem::new(class, "", format!("cannot {doing} {}: {error}", path.display())).into()
}

/// Under sudo, what lies in the user's home is the user's.
fn own(path: &Path) {
    let caller = Caller::current();
    let Some(user) = caller.invoker.and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten()) else { return };
    if path.starts_with(&user.dir)
        && let Err(error) = chown(path, Some(user.uid), Some(Gid::from_raw(user.gid.as_raw())))
    {
        tracing::warn!(path = %path.display(), %error, "not given to the user");
    }
}

/// The word that names the profile at `path` to vmrun, for a shell.
fn typed(path: &Path) -> String {
    let word = profiles::word_for(path);
    shlex::try_quote(&word).map_or(word.clone(), Into::into)
}

/// What comes next, to be typed as it stands.
fn next(path: &Path, args: &New, choice: &Choice) -> String {
    let word = typed(path);
    let mut rows = Vec::new();
    if let Some(size) = choice.disk.size.filter(|_| args.host.is_some()) {
        let disk = choice.disk.path.display().to_string();
        let disk = shlex::try_quote(&disk).map_or(disk.clone(), Into::into);
        let make = format!("qemu-img create -f {} {disk} {size}", choice.disk.format);
        rows.push((make, "makes its disk, on that machine".to_owned()));
    }
    if !choice.discs.is_empty() {
        rows.push((format!("vmrun run {word} --variant install"), format!("installs it, {}", screen().said)));
    }
    let root = if choice.card.is_some() && !Uid::effective().is_root() { "sudo " } else { "" };
    let then = if choice.discs.is_empty() { "runs it" } else { "from then on" };
    rows.push((format!("{root}vmrun run {word}"), then.to_owned()));
    rows.push((format!("vmrun edit {word}"), "changes it; `vmrun explain` tells of keys".to_owned()));
    let wide = rows.iter().map(|(command, _)| command.len()).max().unwrap_or(0).min(COLUMN);
    let lines = rows.iter().map(|(command, then)| format!("  {command:wide$}  {then}"));
    std::iter::once(format!("{} is written", path.display())).chain(lines).collect::<Vec<_>>().join("\n")
}
