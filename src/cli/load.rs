//! A profile from its file, the host it is for, and what is wrong with them.

use super::args::{HostFile, Layers};
use super::output::{Output, Weight};
use super::render::finding::{self, Finding};
use super::{Exit, layers, place};
use crate::host::{Area, Caller, Host, Root};
use crate::plan::{Class, Contents, Plan, Problem, Refusal};
use crate::profile::source::{self, Keys, Sheets};
use crate::profile::{Profile, Setting};
use std::io;
use std::path::Path;

/// A profile that could be read.
pub(super) struct Loaded {
    pub(super) sheets: Sheets,
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
    pub(super) sheets: Sheets,
    pub(super) findings: Vec<Finding>,
    pub(super) exit: Exit,
}

impl Loaded {
    /// Reads the profile in the file `path`, with what lies below and above it.
    ///
    /// # Errors
    /// When the file cannot be read or has mistakes; all of them.
    pub(super) fn read(path: &Path, layers: &Layers) -> Result<Self, Rejected> {
        let sheets = layers::read(path, layers).map_err(|error| unreadable(path, &error))?;
        Self::of(path, sheets)
    }

    /// A profile that vmrun carries, called `name`.
    ///
    /// # Errors
    /// When it, or what the command line adds, has mistakes.
    pub(super) fn embedded(name: &str, text: &str, layers: &Layers) -> Result<Self, Rejected> {
        Self::of(Path::new(name), layers::embedded(name, text, layers))
    }

    fn of(path: &Path, sheets: Sheets) -> Result<Self, Rejected> {
        match source::read::<Profile>(&sheets) {
            Ok((profile, keys)) => {
                let setting = place::setting(path, profile.name(), &Caller::current());
                Ok(Self { sheets, profile, keys, setting })
            }
            Err(mistakes) => {
                let findings = mistakes.into_iter().map(Finding::mistake).collect();
                Err(Rejected { sheets, findings, exit: Exit::Invalid })
            }
        }
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
        self.plan_below(&Root::default())
    }

    /// Plans it for this host, of which it is asked too what people call its PCI functions.
    pub(super) fn plan_with_names(&self) -> Planned {
        let mut wants = self.profile.wants(&self.setting);
        if wants.area(Area::Pci) {
            wants.areas.insert(Area::Names);
        }
        self.plan_for(Host::read(&Root::default(), &wants))
    }

    /// Plans it for the host whose files stand below `root`.
    pub(super) fn plan_below(&self, root: &Root) -> Planned {
        self.plan_for(Host::read(root, &self.profile.wants(&self.setting)))
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
        let Self { sheets, findings, exit } = self;
        if output.json {
            return output.answer_json(&finding::json(&sheets, &findings, exit), exit);
        }
        output.say(Weight::Error, &finding::text(&sheets, &findings, output.width));
        exit
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Rejected {
    let (reason, fix) = layers::reason(error);
    let what = format!("{} cannot be read: {reason}", path.display());
    unusable(path, &Problem::new(Class::Invalid, "", what).fix(fix))
}

/// A file of which nothing can be shown.
fn unusable(path: &Path, problem: &Problem) -> Rejected {
    let sheets = Sheets::new(layers::shown(path), "/", "");
    Rejected { sheets, findings: vec![Finding::refusal(problem, &Keys::default())], exit: Exit::Invalid }
}

/// The host whose facts `vmrun host --dump` wrote to the file `path`.
pub(super) fn dumped(path: &Path) -> Result<Host, Rejected> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let what = format!("this is no dump of a host: {error}");
        unusable(path, &Problem::new(Class::Invalid, "", what).fix("make one with `vmrun host --dump`"))
    })
}
