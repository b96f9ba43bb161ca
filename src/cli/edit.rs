//! `vmrun edit`: a copy of a profile in the user's editor, checked, and put in the profile's place only if it is valid.

use super::args::{Edit, Layers};
use super::load::{Loaded, Planned};
use super::output::{Output, Weight};
use super::refuse::{SILENT, refuse};
use super::render::finding;
use super::{Exit, becomes, layers, profiles};
use crate::plan::{Class, Problem};
use std::env;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is run where neither `$VISUAL` nor `$EDITOR` says.
const EDITOR: &str = "vi";

/// Edits, checks, shows, saves.
pub(super) fn run(args: &Edit, output: Output) -> Exit {
    // Not the link to it: that stays a link.
    let named = profiles::file(&args.profile);
    let path = fs::canonicalize(&named).unwrap_or(named);
    match Edited::begin(&path).and_then(|edited| edited.go_on(output)) {
        Ok(exit) => exit,
        Err(problem) => refuse(&[*problem], output),
    }
}

/// A profile whose copy is edited.
struct Edited<'a> {
    path: &'a Path,
    before: String,
    copy: Copy,
}

/// A file that goes when nobody needs it any more, unless it is kept.
struct Copy {
    path: PathBuf,
    kept: bool,
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.kept {
            // It may be gone already.
            _ = fs::remove_file(&self.path);
        }
    }
}

impl<'a> Edited<'a> {
    fn begin(path: &'a Path) -> Result<Self, Box<Problem>> {
        let before = fs::read_to_string(path).map_err(|error| {
            let problem = failed("read", path, &error);
            Box::new(if error.kind() == io::ErrorKind::NotFound {
                problem.fix("`vmrun list` names all; `vmrun new` makes one")
            } else {
                problem
            })
        })?;
        // Beside the profile: it is renamed into its place, and its relative paths mean the same.
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let copy = path.with_file_name(format!(".{name}.{}.toml", std::process::id()));
        let written = fs::write(&copy, &before).and_then(|()| {
            let mode = fs::metadata(path)?.permissions().mode();
            fs::set_permissions(&copy, fs::Permissions::from_mode(mode))
        });
        let copy = Copy { path: copy, kept: false };
        written.map_err(|error| failed("written", &copy.path, &error))?;
        Ok(Self { path, before, copy })
    }

    /// Lets the user edit until the copy is valid or is given up.
    fn go_on(mut self, output: Output) -> Result<Exit, Box<Problem>> {
        loop {
            edit(&self.copy.path)?;
            let after = fs::read_to_string(&self.copy.path).map_err(|error| failed("read", &self.copy.path, &error))?;
            if after == self.before {
                output.say(Weight::Info, "nothing was changed");
                return Ok(Exit::Good);
            }
            let exit = match Loaded::embedded(&self.path.to_string_lossy(), &after, &Layers::default()) {
                Ok(loaded) => {
                    let planned = loaded.plan_here();
                    if planned.exit() != Exit::Invalid || self.was_invalid() {
                        return self.save(&loaded, &planned, output);
                    }
                    output.say(Weight::Error, &finding::text(&loaded.sheets, &planned.findings, output.width));
                    Exit::Invalid
                }
                Err(rejected) => rejected.tell(output),
            };
            if let Some(exit) = self.wrong(exit, output)? {
                return Ok(exit);
            }
        }
    }

    /// Whether the profile was wrong before: a change that does not mend it all is saved then.
    fn was_invalid(&self) -> bool {
        self.was().is_none_or(|was| was.plan_here().exit() == Exit::Invalid)
    }

    /// The profile before; `None` when it could not be read.
    fn was(&self) -> Option<Loaded> {
        Loaded::embedded(&self.path.to_string_lossy(), &self.before, &Layers::default()).ok()
    }

    /// Asks what becomes of mistakes that were told; `None` when the user wants to mend them.
    fn wrong(&mut self, exit: Exit, output: Output) -> Result<Option<Exit>, Box<Problem>> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            output.say(Weight::Error, &format!("{} is as it was", self.path.display()));
            return Ok(Some(exit));
        }
        loop {
            match answer("edit again, drop the change, or keep the copy and leave? [E/d/k] ")?.as_str() {
                "" | "e" | "E" => return Ok(None),
                "d" | "D" => {
                    output.say(Weight::Info, &format!("{} is as it was", self.path.display()));
                    return Ok(Some(exit));
                }
                "k" | "K" => {
                    self.copy.kept = true;
                    let (path, copy) = (self.path.display(), self.copy.path.display());
                    output.say(Weight::Info, &format!("{path} is as it was; the change is in {copy}"));
                    return Ok(Some(exit));
                }
                _ => {}
            }
        }
    }

    /// Shows what becomes of the plan, and puts the copy in the place of the profile.
    fn save(mut self, after: &Loaded, planned: &Planned, output: Output) -> Result<Exit, Box<Problem>> {
        let now = fs::read_to_string(self.path).map_err(|error| failed("read", self.path, &error))?;
        if now != self.before {
            self.copy.kept = true;
            let what = format!("{} was changed by somebody else meanwhile", self.path.display());
            return Err(Box::new(
                Problem::new(Class::Busy, "", what).fix(format!("your change is in {}", self.copy.path.display())),
            ));
        }
        let diff = becomes::diff(self.was().as_ref(), after, output);
        let told = if diff.is_empty() { "the plan stays the same\n" } else { &diff };
        let exit = output.answer(told, Exit::Good);
        if !planned.findings.is_empty() {
            output.say(Weight::Warning, &finding::text(&after.sheets, &planned.findings, output.width));
        }
        self.keep_owner();
        fs::rename(&self.copy.path, self.path).map_err(|error| failed("replaced", self.path, &error))?;
        self.copy.kept = true;
        output.say(Weight::Info, &format!("{} is saved", self.path.display()));
        Ok(exit)
    }

    /// A profile of the user's that root has edited stays the user's.
    fn keep_owner(&self) {
        let Ok(meta) = fs::metadata(self.path) else { return };
        if let Err(error) = std::os::unix::fs::chown(&self.copy.path, Some(meta.uid()), Some(meta.gid())) {
            tracing::debug!(%error, "the owner of the profile changes");
        }
    }
}

/// Runs the user's editor on `path`; it may be a command with arguments, like `code --wait`.
fn edit(path: &Path) -> Result<(), Box<Problem>> {
    let set = ["VISUAL", "EDITOR"].iter().filter_map(env::var_os).find(|value| !value.is_empty());
    let editor = set.map_or(EDITOR.to_owned(), |value| value.to_string_lossy().into_owned());
    let words = shlex::split(&editor).filter(|words| !words.is_empty()).unwrap_or_else(|| vec![editor.clone()]);
    let ended = Command::new(&words[0]).args(&words[1..]).arg(path).status();
    let why = match ended {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("it ended with {status}"),
        Err(error) => format!("it cannot be run: {error}"),
    };
    let problem = Problem::new(Class::Missing, "", format!("the editor `{editor}` did not do its work")).why(why);
    Err(Box::new(problem.fix("EDITOR=nano vmrun edit …; the profile is as it was")))
}

fn answer(question: &str) -> Result<String, Box<Problem>> {
    let mut answer = String::new();
    let asked = anstream::stderr().write_all(question.as_bytes());
    match asked.and_then(|()| io::stdin().lock().read_line(&mut answer)) {
        // The terminal is gone: what was written is kept.
        Ok(0) => Ok("k".to_owned()),
        Ok(_) => Ok(answer.trim().to_owned()),
        Err(error) => Err(Box::new(
            Problem::new(Class::Missing, "", format!("the terminal does not answer: {error}")).fix(SILENT),
        )),
    }
}

fn failed(done: &str, path: &Path, error: &io::Error) -> Problem {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let class = if denied { Class::Denied } else { Class::Invalid };
    Problem::new(class, "", format!("{} cannot be {done}: {}", path.display(), layers::reason(error)))
}
