//! A profile from its file, the host it is for, and what is wrong with them.

use super::args::{HostFile, Layers};
use super::output::{Output, Weight};
use super::render::finding::{self, Finding, Findings};
use super::{Exit, layers, place, profiles, trust};
use crate::host::{Area, Caller, Host, Root, Wants};
use crate::plan::{Class, Contents, Kept, Plan, Problem, Refusal};
use crate::profile::source::{self, Keys, Rejection, Rest, Sheets};
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
    /// Refusals, then warnings; each by place.
    pub(super) findings: Findings,
    /// Whether root would obey a file that somebody else may write to.
    distrusted: bool,
}

/// What is told of a profile when it cannot be used.
pub(super) struct Rejected {
    sheets: Sheets,
    findings: Vec<Finding>,
    /// Whether `findings` are all that could be told.
    finished: bool,
    exit: Exit,
    /// What is left of the profile, and where it stands.
    rest: Option<Box<(Rest<Profile>, Setting)>>,
}

/// Reads a profile and plans it for this host, or for another; says what is wrong with it when it is no profile.
///
/// # Errors
/// The code to end with, when it was told what is wrong.
pub(super) fn planned(
    path: &Path,
    layers: &Layers,
    host: &HostFile,
    output: Output,
) -> Result<(Loaded, Planned), Exit> {
    let loaded = Loaded::read(path, layers).map_err(|rejected| rejected.and_on(host).tell(output))?;
    let planned = loaded.plan(host).map_err(|rejected| rejected.tell(output))?;
    Ok((loaded, planned))
}

impl Loaded {
    /// Reads the profile in the file `path`, or of that name, with what lies below and above it.
    ///
    /// # Errors
    /// When the file cannot be read or has mistakes; all of them.
    pub(super) fn read(path: &Path, layers: &Layers) -> Result<Self, Rejected> {
        let path = &profiles::file(path);
        let sheets = layers::read(path, layers).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if profiles::could_be_name(path) => unknown(path),
            _ => unreadable(path, &error),
        })?;
        Self::of(path, sheets)
    }

    /// A profile that vmrun carries, called `name`.
    ///
    /// # Errors
    /// When it, or what the command line adds, has mistakes.
    pub(super) fn embedded(name: &str, text: &str, layers: &Layers) -> Result<Self, Rejected> {
        Self::of(Path::new(name), layers::embedded(name, text, layers))
    }

    /// The profile that a guest was started with, as it was kept.
    ///
    /// # Errors
    /// When this vmrun finds mistakes in it, which an older one did not.
    pub(super) fn kept(sheets: Sheets) -> Result<Self, Rejected> {
        let path = sheets.files().next().unwrap_or_default();
        Self::of(&path, sheets)
    }

    fn of(path: &Path, sheets: Sheets) -> Result<Self, Rejected> {
        match source::read::<Profile>(&sheets) {
            Ok((profile, keys)) => {
                let setting = place::setting(path, profile.name(), &Caller::current());
                Ok(Self { sheets, profile, keys, setting })
            }
            Err(rejection) => {
                let Rejection { mistakes, finished, rest } = *rejection;
                let findings = mistakes.into_iter().map(Finding::mistake).collect();
                let setting = |rest: &Rest<Profile>| place::setting(path, rest.value.name(), &Caller::current());
                let rest = rest.map(|rest| {
                    let setting = setting(&rest);
                    Box::new((rest, setting))
                });
                Err(Rejected { sheets, findings, finished, exit: Exit::Invalid, rest })
            }
        }
    }

    /// Replaces the profile by what `change` makes of it.
    pub(super) fn change(&mut self, change: impl FnOnce(Profile) -> Profile) {
        self.profile = change(self.profile.clone());
    }

    /// The same with what `change` makes of the profile.
    pub(super) fn with(&self, change: impl FnOnce(Profile) -> Profile) -> Self {
        let Self { sheets, profile, keys, setting } = self;
        let (sheets, keys, setting) = (sheets.clone(), keys.clone(), setting.clone());
        Self { sheets, profile: change(profile.clone()), keys, setting }
    }

    /// Plans it as the user with this name and id would, who has no more rights than that; nothing is judged by who runs
    /// vmrun now.
    ///
    /// # Errors
    /// When the file with the facts of another host cannot be read.
    pub(super) fn plan_as(&self, (login, uid): (&str, u32), file: Option<&Path>) -> Result<Planned, Rejected> {
        let wants = self.profile.wants(&self.setting);
        let wants = Wants { user: Some((login.to_owned(), None)), ..wants };
        let mut host = match file {
            Some(path) => dumped(path)?,
            None => Host::read(&Root::default(), &wants),
        };
        (host.euid, host.invoker) = (uid, None);
        if file.is_none() {
            let opens = self.profile.opens(&host, &self.setting);
            host.bar(&Root::default(), &opens);
        }
        Ok(self.plan_for(host))
    }

    /// Plans it for the host, or for the one whose facts a file holds.
    ///
    /// # Errors
    /// When that file cannot be read.
    pub(super) fn plan(&self, host: &HostFile) -> Result<Planned, Rejected> {
        match &host.host {
            Some(path) => Ok(self.elsewhere().plan_for(dumped(path)?)),
            None => Ok(self.plan_here()),
        }
    }

    /// The same where the guest never ran: what is kept of it here is not kept on another machine.
    fn elsewhere(&self) -> Self {
        let setting = Setting { kept: Kept::default(), ..self.setting.clone() };
        Self { sheets: self.sheets.clone(), profile: self.profile.clone(), keys: self.keys.clone(), setting }
    }

    /// Plans it for this host.
    pub(super) fn plan_here(&self) -> Planned {
        let mut planned = self.plan_below(&Root::default());
        let distrusted = trust::distrusted(self, planned.contents(), &Caller::current());
        planned.distrusted = !distrusted.is_empty();
        let refusals = distrusted.iter().map(|problem| Finding::refusal(problem, &self.keys));
        planned.findings = planned.findings.and(refusals);
        planned
    }

    /// Plans it for this host, of which it is asked too what people call its PCI functions.
    pub(super) fn plan_with_names(&self) -> Planned {
        let mut wants = self.profile.wants(&self.setting);
        if wants.area(Area::Pci) {
            wants.areas.insert(Area::Names);
        }
        self.plan_for(self.host(&Root::default(), &wants))
    }

    /// The host below `root`, with what keeps QEMU's user from what it has to open.
    fn host(&self, root: &Root, wants: &Wants) -> Host {
        let mut host = Host::read(root, wants);
        let opens = self.profile.opens(&host, &self.setting);
        host.bar(root, &opens);
        host
    }

    /// Plans it for the host whose files stand below `root`.
    pub(super) fn plan_below(&self, root: &Root) -> Planned {
        self.plan_for(self.host(root, &self.profile.wants(&self.setting)))
    }

    /// Plans what it takes to give its PCI devices to a guest that runs on this host.
    pub(super) fn plan_attach(&self) -> Planned {
        let host = Host::read(&Root::default(), &self.profile.wants(&self.setting));
        let plan = self.profile.plan_attach(&host, &self.setting);
        self.judged(host, plan)
    }

    /// Plans it for `host`.
    pub(super) fn plan_for(&self, host: Host) -> Planned {
        let plan = self.profile.plan(&host, &self.setting);
        self.judged(host, plan)
    }

    fn judged(&self, host: Host, plan: Result<Plan, Box<Refusal>>) -> Planned {
        let (problems, contents): (&[Problem], &Contents) = match &plan {
            Ok(plan) => (&[], plan),
            Err(refusal) => (&refusal.problems, &refusal.contents),
        };
        let refusals = problems.iter().map(|problem| Finding::refusal(problem, &self.keys));
        let warnings = contents.warnings.iter().map(|problem| Finding::warning(problem, &self.keys));
        let findings = Findings::of(refusals.chain(warnings).collect());
        Planned { host, plan, findings, distrusted: false }
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
        let denied = if self.distrusted { Exit::Denied } else { Exit::Good };
        self.plan.as_ref().map_or_else(|refusal| Exit::from(refusal.class()), |_| denied)
    }
}

impl Rejected {
    /// The same with what else stands in the way of the guest on this host, or on the one whose facts a file holds:
    /// whoever mends the text can mend that too.
    pub(super) fn and_on(mut self, host: &HostFile) -> Self {
        let Some((rest, setting)) = self.rest.take().map(|rest| *rest) else { return self };
        let (host, setting) = match &host.host {
            Some(path) => (dumped(path).ok(), Setting { kept: Kept::default(), ..setting }),
            None => (Some(Host::read(&Root::default(), &rest.value.wants(&setting))), setting),
        };
        // Of a dump that cannot be read it is told when the text is mended; it is another file.
        let problems = host.map(|host| rest.problems(&host, &setting)).unwrap_or_default();
        self.findings.extend(problems.iter().map(|problem| Finding::refusal(problem, &rest.keys)));
        self
    }

    /// Tells it: as JSON on standard output, else on standard error.
    pub(super) fn tell(self, output: Output) -> Exit {
        let Self { sheets, findings, finished, exit, rest: _ } = self;
        let findings = Findings::of(findings).and_more_unless(finished);
        if output.json {
            return output.answer_json(&finding::json(&sheets, &findings, exit), exit);
        }
        output.say(Weight::Error, &finding::text(&sheets, &findings, output.width));
        exit
    }
}

/// A word that is neither a file nor the name of a profile.
fn unknown(name: &Path) -> Rejected {
    let places: Vec<_> = profiles::places().iter().map(|place| place.display().to_string()).collect();
    let what = format!("there is no file {}, and no profile of that name", name.display());
    let problem =
        Problem::new(Class::Invalid, "", what).why(format!("profiles are looked for in {}", places.join(" and ")));
    unusable(name, &problem.fix("vmrun list   # those that there are; `vmrun new` makes one, `vmrun demo` needs none"))
}

fn unreadable(path: &Path, error: &io::Error) -> Rejected {
    unusable(path, &not_read(path, error).fix(layers::remedy(error)))
}

fn not_read(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Class::Invalid, "", format!("{} cannot be read: {}", path.display(), layers::reason(error)))
}

/// A file of which nothing can be shown.
fn unusable(path: &Path, problem: &Problem) -> Rejected {
    let sheets = Sheets::new(layers::shown(path), "/", "");
    let findings = vec![Finding::refusal(problem, &Keys::default())];
    Rejected { sheets, findings, finished: true, exit: Exit::Invalid, rest: None }
}

/// The host whose facts `vmrun host --dump` wrote to the file `path`.
pub(super) fn dumped(path: &Path) -> Result<Host, Rejected> {
    let refused = |problem: Problem| unusable(path, &problem.fix("make one with `vmrun host --dump`"));
    let bytes = std::fs::read(path).map_err(|error| refused(not_read(path, &error)))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| refused(Problem::new(Class::Invalid, "", format!("this is no dump of a host: {error}"))))
}
