//! What root does at a profile's word is what everybody can make it do who can write to the profile.

use super::load::Loaded;
use crate::host::{Caller, Root, Stranger, stranger};
use crate::plan::{Class, Command, Contents, Problem, What};
use std::path::{Path, PathBuf};

/// Programs that run the file which is their first argument.
const INTERPRETERS: [&str; 9] = ["sh", "bash", "dash", "zsh", "ash", "python3", "python", "perl", "env"];

/// Files that root would obey although somebody else may write to them: the profile, what it extends, QEMU, and what
/// hooks and services run as root.
pub(super) fn distrusted(loaded: &Loaded, contents: &Contents, caller: &Caller) -> Vec<Problem> {
    if caller.euid != 0 {
        return Vec::new();
    }
    let trusted: Vec<u32> = std::iter::once(0).chain(caller.invoker).collect();
    let root = Root::default();
    // A profile that vmrun carries is in no file.
    let files = loaded.sheets.files().filter(|file| file.is_file()).map(|file| ("schema".to_owned(), file));
    let qemu = std::iter::once(("qemu.binary".to_owned(), contents.emulator.path.clone()));
    let programs = commands(contents).flat_map(|(key, command)| {
        programs(command, &loaded.setting.dir).into_iter().map(move |file| (key.clone(), file))
    });
    let all = files.chain(qemu).chain(programs);
    let mut problems: Vec<Problem> = Vec::new();
    for (key, file) in all.filter(|(_, file)| file.is_absolute()) {
        if let Some(found) = stranger(&root, &file, &trusted) {
            let problem = problem(&key, &file, &found);
            if problems.iter().all(|other| other.what != problem.what) {
                problems.push(problem);
            }
        }
    }
    problems
}

/// The commands that are run with vmrun's own rights, with their keys.
fn commands(contents: &Contents) -> impl Iterator<Item = (String, &Command)> {
    let hooks = contents.hooks.iter().flat_map(|hook| {
        let undo = hook.undo.iter().map(|undo| (format!("{}.undo", hook.key), undo));
        std::iter::once((format!("{}.run", hook.key), &hook.run)).chain(undo)
    });
    let services = contents.services.iter().filter_map(|service| match &service.what {
        What::Command { run, .. } => Some((format!("{}.run", service.key), run)),
        What::Unit { .. } => None,
    });
    hooks.chain(services).filter(|(_, command)| command.user.as_deref().is_none_or(|user| user == "root"))
}

/// The program, and the script that it is to run.
fn programs(command: &Command, folder: &Path) -> Vec<PathBuf> {
    let mut words = command.argv.iter();
    let Some(program) = words.next() else { return Vec::new() };
    let mut found = vec![folder.join(program)];
    let name = Path::new(program).file_name().unwrap_or_default();
    if INTERPRETERS.iter().any(|interpreter| name == *interpreter) {
        let script = words.find(|word| !word.starts_with('-')).map(|word| folder.join(word));
        found.extend(script.filter(|script| script.is_file()));
    }
    found
}

fn problem(key: &str, file: &Path, Stranger { path, why, fix }: &Stranger) -> Problem {
    let what = match path == file {
        true => format!("{} {why}", file.display()),
        false => format!("{} {why}, and {} is reached by it", path.display(), file.display()),
    };
    Problem::new(Class::Denied, key, what)
        .why("vmrun runs as root: whoever can change that file can do as root whatever they like")
        .fix(format!("{fix}   # or run vmrun by sudo from the account that owns it"))
}
