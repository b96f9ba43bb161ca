//! A profile from its file, the host it is for, and what is wrong with them.

use super::args::HostFile;
use super::output::{Output, Weight};
use super::render::finding::{self, Finding, Sheet};
use super::{Exit, place};
use crate::host::{Caller, Host, Root};
use crate::plan::{Class, Contents, Plan, Problem, Refusal};
use crate::profile::source::{self, Keys, MAX_BYTES, Mistake};
use crate::profile::{Profile, Setting};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A profile that could be read.
pub(super) struct Loaded {
    pub(super) sheet: Sheet,
    pub(super) profile: Profile,
    pub(super) keys: Keys,
    pub(super) setting: Setting,
}

/// A plan, or why there is none, with the host it is for.
pub(super) struct Planned {
    pub(super) host: Host,
    pub(super) plan: Result<Plan, Box<Refusal>>,
    /// Refusals, then warnings.
    pub(super) findings: Vec<Finding>,
}

/// What is told of a profile when it cannot be used.
pub(super) struct Rejected {
    pub(super) sheet: Sheet,
    pub(super) findings: Vec<Finding>,
    pub(super) exit: Exit,
}

impl Loaded {
    /// Reads the profile in the file `path`.
    ///
    /// # Errors
    /// When the file cannot be read or has mistakes; all of them.
    pub(super) fn read(path: &Path) -> Result<Self, Rejected> {
        let bytes = bytes(path).map_err(|error| unreadable(path, &error))?;
        let sheet = Sheet { name: shown(path), text: String::from_utf8_lossy(&bytes).into_owned() };
        let read = source::decode(&bytes).map_err(|mistake| vec![mistake]).and_then(source::read::<Profile>);
        let (profile, keys) = match read {
            Ok(read) => read,
            Err(mistakes) => return Err(mistaken(sheet, mistakes)),
        };
        let setting = place::setting(path, profile.name(), &Caller::current());
        Ok(Self { sheet, profile, keys, setting })
    }

    /// A profile that vmrun carries, called `name`.
    ///
    /// # Errors
    /// When it has mistakes.
    pub(super) fn embedded(name: &str, text: &str) -> Result<Self, Rejected> {
        let sheet = Sheet { name: name.to_owned(), text: text.to_owned() };
        let (profile, keys) = match source::read::<Profile>(text) {
            Ok(read) => read,
            Err(mistakes) => return Err(mistaken(sheet, mistakes)),
        };
        let setting = place::setting(Path::new(name), profile.name(), &Caller::current());
        Ok(Self { sheet, profile, keys, setting })
    }

    /// Replaces the profile by what `change` makes of it.
    pub(super) fn change(&mut self, change: impl FnOnce(Profile) -> Profile) {
        self.profile = change(self.profile.clone());
    }

    /// Plans it for the host, or for the one whose facts a file holds.
    ///
    /// # Errors
    /// When that file cannot be read.
    pub(super) fn plan(&self, host: &HostFile) -> Result<Planned, Rejected> {
        match &host.host {
            Some(path) => Ok(self.plan_for(dumped(path)?)),
            None => Ok(self.plan_here()),
        }
    }

    /// Plans it for this host.
    pub(super) fn plan_here(&self) -> Planned {
        self.plan_for(Host::read(&Root::default(), &self.profile.wants(&self.setting)))
    }

    fn plan_for(&self, host: Host) -> Planned {
        let plan = self.profile.plan(&host, &self.setting);
        let (problems, contents): (&[Problem], &Contents) = match &plan {
            Ok(plan) => (&[], plan),
            Err(refusal) => (&refusal.problems, &refusal.contents),
        };
        let refusals = problems.iter().map(|problem| Finding::refusal(problem, &self.keys));
        let warnings = contents.warnings.iter().map(|problem| Finding::warning(problem, &self.keys));
        let findings = refusals.chain(warnings).collect();
        Planned { host, plan, findings }
    }
}

impl Planned {
    /// What is planned, also when it is refused.
    pub(super) fn contents(&self) -> &Contents {
        match &self.plan {
            Ok(plan) => plan,
            Err(refusal) => &refusal.contents,
        }
    }

    /// Number of reasons against it.
    pub(super) fn problems(&self) -> usize {
        self.plan.as_ref().err().map_or(0, |refusal| refusal.problems.len())
    }

    /// The code that says whether it can be carried out.
    pub(super) fn exit(&self) -> Exit {
        self.plan.as_ref().map_or_else(|refusal| Exit::from(refusal.class()), |_| Exit::Good)
    }
}

impl Rejected {
    /// Tells it: as JSON on standard output, else on standard error.
    pub(super) fn tell(self, output: Output) -> Exit {
        let Self { sheet, findings, exit } = self;
        if output.json {
            return output.answer_json(&finding::json(&sheet, &findings, exit), exit);
        }
        output.say(Weight::Error, &finding::text(&sheet, &findings, output.width));
        exit
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    // One byte more than is read of a profile, so that a longer one is seen to be longer.
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn unreadable(path: &Path, error: &io::Error) -> Rejected {
    let (reason, fix) = match error.kind() {
        io::ErrorKind::NotFound => ("there is no such file", "write one, or start with `vmrun demo`, which needs none"),
        io::ErrorKind::IsADirectory => ("it is a folder", "name the profile in it"),
        io::ErrorKind::PermissionDenied => ("this user has no permission", "chmod a+r, or run as its owner"),
        _ => ("the kernel refuses", ""),
    };
    let why = if fix.is_empty() { error.to_string() } else { String::new() };
    let what = format!("{} cannot be read: {reason}", path.display());
    unusable(path, &Problem::new(Class::Invalid, "", what).why(why).fix(fix))
}

/// A file of which nothing can be shown.
fn unusable(path: &Path, problem: &Problem) -> Rejected {
    let sheet = Sheet { name: shown(path), text: String::new() };
    Rejected { sheet, findings: vec![Finding::refusal(problem, &Keys::default())], exit: Exit::Invalid }
}

fn mistaken(sheet: Sheet, mistakes: Vec<Mistake>) -> Rejected {
    Rejected { sheet, findings: mistakes.into_iter().map(Finding::mistake).collect(), exit: Exit::Invalid }
}

/// The host whose facts `vmrun host --dump` wrote to the file `path`.
fn dumped(path: &Path) -> Result<Host, Rejected> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let what = format!("this is no dump of a host: {error}");
        unusable(path, &Problem::new(Class::Invalid, "", what).fix("make one with `vmrun host --dump`"))
    })
}
