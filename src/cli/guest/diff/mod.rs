//! `vmrun diff`: what a guest that runs was started with, against its profile as it is now.

mod effect;
mod page;

use super::{Refused, known_names, refuse, run_dir};
use crate::apply::{Standing, standing};
use crate::cli::args::{Diff, Layers};
use crate::cli::load::Loaded;
use crate::cli::output::{Output, Weight};
use crate::cli::render::finding::{self, Finding, Findings};
use crate::cli::render::{argv, edits};
use crate::cli::{Exit, becomes, profiles};
use crate::plan::Problem;
use crate::profile::Profile;
use crate::profile::source::{Difference, Sheets, differences, document};
use crate::supervise::{plan_of, profile_of};
use crate::unit::GuestName;

/// A key that is not what the guest was started with.
struct Changed {
    difference: Difference,
    /// What gives the guest the new value now; none when only its next start does.
    commands: Vec<Vec<String>>,
}

/// A guest, what it was started with, and what its profile says now.
struct Compared {
    name: GuestName,
    was: Loaded,
    is: Loaded,
    changed: Vec<Changed>,
}

/// Tells the difference, and by the exit code whether there is one.
pub(in crate::cli) fn diff(args: &Diff, output: Output) -> Exit {
    match Compared::of(args, output) {
        Ok(compared) => compared.tell(output),
        Err(exit) => exit,
    }
}

impl Compared {
    fn of(args: &Diff, output: Output) -> Result<Self, Exit> {
        let name = name(args, output)?;
        let sheets = kept(&name, output)?;
        let path = match GuestName::try_from(args.guest.to_string_lossy().into_owned()) {
            // The guest's name: its own profile is meant, wherever that lies.
            Ok(word) if word == name => sheets.files().next().unwrap_or_default(),
            _ => args.guest.clone(),
        };
        let was = Loaded::kept(sheets).map_err(|rejected| rejected.tell(output))?;
        let is = Loaded::read(&path, &layers(args, &was)).map_err(|rejected| rejected.tell(output))?;
        let changed = changed(&name, &was, &is);
        Ok(Self { name, was, is, changed })
    }

    fn tell(&self, output: Output) -> Exit {
        let Self { was, is, changed, .. } = self;
        let exit = if changed.is_empty() { Exit::Good } else { Exit::NotAsPlanned };
        if output.json {
            return output.answer_json(&page::json(self, exit), exit);
        }
        if changed.is_empty() && output.quiet {
            return exit;
        }
        let becomes = if changed.is_empty() { String::new() } else { becomes::diff(Some(was), is, output) };
        let mut page = page::text(self, &becomes, output.width);
        page.push_str(&self.otherwise());
        let told = output.answer(&page, exit);
        let against = self.against();
        if !against.is_empty() {
            let findings = against.iter().map(|problem| Finding::warning(problem, &is.keys)).collect();
            let text = finding::text(&is.sheets, &Findings::of(findings), output.width);
            output.say(Weight::Warning, &format!("it could not be started like this:\n{text}"));
        }
        told
    }

    /// What the next start changes of the command line although the profile is the same: QEMU, the host or vmrun is not
    /// what it was.
    fn otherwise(&self) -> String {
        let Ok(Some(plan)) = plan_of(&run_dir(&self.name)) else { return String::new() };
        let texts = (argv::lines(&plan), argv::lines(self.was.plan_here().contents()));
        match edits::unified((&texts.0, &texts.1), ("it runs with", "the next start")) {
            same if same.is_empty() => same,
            diff => format!("\nBeside the profile, since QEMU, the host or vmrun is not what it was\n{diff}"),
        }
    }

    /// What stands against the next start because of what was changed. What stands against the profile as it was too, like
    /// a disk that the guest holds, comes of the guest that runs.
    fn against(&self) -> Vec<Problem> {
        let problems =
            |loaded: &Loaded| loaded.plan_here().plan.err().map(|refusal| refusal.problems).unwrap_or_default();
        let before = problems(&self.was);
        let is_new = |problem: &Problem| before.iter().all(|old| old.what != problem.what);
        problems(&self.is).into_iter().filter(is_new).collect()
    }
}

/// The guest that is meant: the one of that name when it runs or has no profile here, else the one that the profile
/// describes.
fn name(args: &Diff, output: Output) -> Result<GuestName, Exit> {
    let word = GuestName::try_from(args.guest.to_string_lossy().into_owned()).ok();
    if let Some(name) = word.filter(|name| standing(&run_dir(name)) != Standing::Stopped || only_known(name, args)) {
        return Ok(name);
    }
    match Loaded::read(&args.guest, &args.layers) {
        Ok(loaded) => Ok(loaded.profile.name().clone()),
        Err(rejected) => Err(rejected.tell(output)),
    }
}

/// Whether no profile is found by `name`, and it is that of a guest which ran once; its profile lies elsewhere.
fn only_known(name: &GuestName, args: &Diff) -> bool {
    !args.guest.exists() && profiles::named(&args.guest).is_none() && known_names().contains(name)
}

/// The texts of the profile that the guest was started with.
fn kept(name: &GuestName, output: Output) -> Result<Sheets, Exit> {
    let dir = run_dir(name);
    let said = |why: String| refuse(name, Refused::Said(why), output);
    let text = match (standing(&dir), profile_of(&dir)) {
        (Standing::Stopped | Standing::Owed, _) => return Err(refuse(name, Refused::Away, output)),
        (_, Err(error)) => return Err(said(error.to_string())),
        (_, Ok(None)) if plan_of(&dir).is_ok_and(|plan| plan.is_some()) => {
            return Err(said("the vmrun that started it did not keep its profile".into()));
        }
        (_, Ok(None)) => return Err(refuse(name, Refused::Away, output)),
        (_, Ok(Some(text))) => text,
    };
    serde_json::from_slice(&text).map_err(|error| said(format!("what is kept of its profile is damaged: {error}")))
}

/// What lies over the profile: as it was started, unless the command line says otherwise.
fn layers(args: &Diff, was: &Loaded) -> Layers {
    if !args.layers.is_empty() {
        return args.layers.clone();
    }
    let (variants, sets) = was.sheets.words();
    Layers { variants, sets }
}

/// The keys that are different, in the order of the profile.
fn changed(name: &GuestName, was: &Loaded, is: &Loaded) -> Vec<Changed> {
    let (before, after) = (document::<Profile>(&was.sheets), document::<Profile>(&is.sheets));
    let mut found = differences(&before, &after);
    found.sort_by_key(|it| is.keys.span_of(&it.at).map_or(usize::MAX, |span| span.start));
    let with_commands = |difference: Difference| {
        let commands = effect::commands(name, &difference, (&before, &after), &is.setting);
        Changed { difference, commands }
    };
    found.into_iter().map(with_commands).collect()
}
