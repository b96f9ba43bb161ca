//! Silence means equal: a guest that goes out and comes in again without a word about something that is missing is the one
//! it was, with everything that is done for it on the host.

use crate::cases::{self, Case, Failure};
use crate::facts::{Difference, arguments, differences, host};
use crate::known::{BY_COMMAND_LINE, BY_LIBVIRT, Known};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use vmrun::export::{Export, From, libvirt, script};
use vmrun::import::{Import, Report, import};
use vmrun::plan::Contents;
use vmrun::profile::Profile;
use vmrun::profile::source::{document, whole};

/// A case that is planned, with its name and its plan.
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) case: Case,
    contents: Contents,
}

/// A planned case as a domain of libvirt.
pub(crate) fn domain(planned: &Planned) -> String {
    libvirt(&planned.document(), &planned.contents, &origin(None)).text
}

/// Every case that is not refused, and every shipped profile that is not, each also with each of its variants.
pub(crate) fn planned() -> impl Iterator<Item = Planned> {
    cases::all().into_iter().chain(shipped()).filter_map(|case| {
        let contents = case.plan().ok()?;
        let path = case.path.with_extension("");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let name = path.strip_prefix(root.join("tests/golden")).or_else(|_| path.strip_prefix(root));
        let variant = case.variant.as_ref().map(|variant| format!(" {variant}")).unwrap_or_default();
        Some(Planned { name: format!("{}{variant}", name.expect("it is there").display()), contents, case })
    })
}

fn shipped() -> impl Iterator<Item = Case> {
    let folders = ["profiles", "examples"].map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let files = folders.into_iter().flat_map(|folder| fs::read_dir(folder).expect("it is there"));
    let files = files.map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.extension().is_some_and(|end| end == "toml")).flat_map(|path| {
        let mut case = Case::of(path, Some(""));
        case.text = case.text.replace("REGULAR_USER", "alice");
        let table: toml::Table = case.text.parse().expect("it is TOML");
        let variants = table.get("variant").and_then(|variants| variants.as_table()).into_iter().flatten();
        let variants =
            variants.map(|(name, _)| Case { variant: Some(name.clone()), ..case.clone() }).collect::<Vec<_>>();
        std::iter::once(case).chain(variants)
    })
}

/// The guest that came back.
struct Back {
    contents: Option<Contents>,
    /// Why it is not planned where the case plays: the key, and what is wrong.
    refused: Vec<(String, String)>,
    report: Report,
}

impl Planned {
    pub(crate) fn document(&self) -> toml::Table {
        document::<Profile>(&self.case.sheets())
    }

    /// What comes of the file `name` with the content `text`.
    fn back(&self, name: &str, text: &str) -> Back {
        let Import { profile, report, .. } =
            import(name, text.as_bytes()).unwrap_or_else(|problem| panic!("{}: {}\n{text}", self.name, problem.what));
        let case = Case { text: profile, variant: None, ..self.case.clone() };
        let (contents, refused) = match case.plan() {
            Ok(contents) => (Some(contents), Vec::new()),
            Err(Failure::Text(mistake)) => (None, vec![(String::new(), mistake)]),
            Err(Failure::Refused(refusal)) => {
                let problems = refusal.problems.into_iter().map(|problem| (problem.at, problem.what));
                (Some(refusal.contents), problems.collect())
            }
        };
        Back { contents, refused, report }
    }

    /// What is another in `back`; without `seats` it does not matter where a device sits.
    fn differences(&self, back: &Back, seats: bool) -> Vec<Difference> {
        let Some(second) = &back.contents else { return Vec::new() };
        differences(&arguments(&self.contents, seats), &arguments(second, seats))
    }

    fn differences_on_the_host(&self, back: &Back) -> Vec<Difference> {
        let Some(second) = &back.contents else { return Vec::new() };
        differences(&host(&self.contents), &host(second))
    }
}

fn origin(text: Option<String>) -> From {
    let folder = Some(PathBuf::from("/home/alice/vm"));
    From { profile: "guest.toml".into(), folder, home: Some(PathBuf::from("/home/alice")), text }
}

/// The table that `key` stands in: an argument is told to come of one key of its table, whatever the others add to it.
fn table(key: &str) -> &str {
    match key.strip_prefix("cpu.pinning") {
        Some(_) => "cpu.pinning",
        None => key.split('.').next().unwrap_or(key),
    }
}

/// Whether `key` and `other` are of one table, or one names all entries of a list.
fn is_of_one(key: &str, other: &str) -> bool {
    let list = |key: &str| table(key).split('[').next().unwrap_or_default().to_owned();
    let all = [key, other].iter().any(|key| !table(key).contains('['));
    table(key) == table(other) || (all && list(key) == list(other))
}

fn is_told(keys: &BTreeSet<String>, made: &Export) -> bool {
    keys.iter().any(|key| made.gaps.iter().any(|gap| is_of_one(key, &gap.at)))
}

/// Pieces that the import has dropped or asks about.
fn unsettled(report: &Report) -> impl Iterator<Item = String> {
    let entries = report.entries.iter().filter(|entry| !entry.fate.is_settled());
    entries.map(|entry| format!("{}: {}: {}", entry.fate.word(), entry.what, entry.fate.why()))
}

/// Sees that nothing was `found` in a case but what is `known` there, and that all of that still is.
fn judge(found: &[(String, String)], known: &[Known]) {
    let is_of = |(name, line): &(String, String), known: &Known| {
        let whole = name == known.case || known.case.strip_suffix('*').is_some_and(|start| name.starts_with(start));
        whole && line.contains(known.part)
    };
    let silent = found.iter().filter(|found| !known.iter().any(|known| is_of(found, known)));
    let silent: Vec<String> = silent.map(|(name, line)| format!("{name}: {line}")).collect();
    assert!(silent.is_empty(), "{}\nmend it, or have the export or the import tell it", silent.join("\n"));
    let stale = known.iter().filter(|known| !found.iter().any(|found| is_of(found, known)));
    let stale: Vec<String> = stale.map(|known| format!("{}: {}", known.case, known.part)).collect();
    assert!(stale.is_empty(), "{}\nis no longer so: take it out of the table", stale.join("\n"));
}

#[test]
fn a_guest_that_leaves_for_libvirt_without_a_word_comes_back_as_the_one_it_was() {
    let mut found = Vec::new();
    let (mut all, mut silent) = (0, 0);
    for planned in planned() {
        let made = libvirt(&planned.document(), &planned.contents, &origin(None));
        let back = planned.back("guest.xml", &made.text);
        let is_silent = made.gaps.is_empty() && back.report.is_complete();
        all += 1;
        silent += usize::from(is_silent);
        // A device that is not there leaves its place to others.
        let mut differing = planned.differences(&back, is_silent);
        differing.extend(planned.differences_on_the_host(&back));
        let differing = differing.into_iter().filter(|difference| !is_told(&difference.keys, &made));
        let refused = back.refused.iter().filter(|(at, _)| !is_told(&BTreeSet::from([at.clone()]), &made));
        let refused = refused.map(|(at, what)| format!("is refused: {at}: {what}"));
        let lines = differing.map(|difference| difference.text).chain(refused).chain(unsettled(&back.report));
        found.extend(lines.map(|line| (planned.name.clone(), line)));
    }
    judge(&found, &BY_LIBVIRT);
    assert!(silent * 2 > all, "only {silent} of {all} cases leave without a word");
}

#[test]
fn a_guest_that_leaves_as_a_script_comes_back_as_the_one_it_was() {
    let mut found = Vec::new();
    for planned in planned() {
        let text = whole::<Profile>(&planned.case.sheets());
        assert!(text.is_some(), "{} has no text", planned.name);
        let back = planned.back("guest.sh", &script(&planned.contents, &origin(text)).text);
        let mut differing = planned.differences(&back, true);
        differing.extend(planned.differences_on_the_host(&back));
        let refused = back.refused.iter().map(|(at, what)| format!("is refused: {at}: {what}"));
        let lines = differing.into_iter().map(|difference| difference.text).chain(refused);
        let lines = lines.chain(unsettled(&back.report));
        found.extend(lines.map(|line| (planned.name.clone(), line)));
    }
    judge(&found, &[]);
}

/// Where devices sit is vmrun's choice, which the import says of each.
#[test]
fn a_command_line_that_comes_in_without_a_word_is_the_same_again() {
    let mut found = Vec::new();
    let (mut all, mut silent) = (0, 0);
    for planned in planned() {
        let contents = &planned.contents;
        let words = std::iter::once(contents.emulator.path.to_string_lossy().into_owned()).chain(contents.argv.words());
        let words: Vec<String> = words.collect();
        let line = shlex::try_join(words.iter().map(String::as_str)).expect("no NUL");
        let back = planned.back("guest.sh", &line);
        all += 1;
        if !back.report.is_complete() {
            continue;
        }
        silent += 1;
        let refused = back.refused.iter().map(|(at, what)| format!("is refused: {at}: {what}"));
        let differing = planned.differences(&back, false).into_iter().map(|difference| difference.text);
        found.extend(differing.chain(refused).map(|line| (planned.name.clone(), line)));
    }
    judge(&found, &BY_COMMAND_LINE);
    assert!(silent * 5 > all * 4, "only {silent} of {all} cases come in without a word");
}
