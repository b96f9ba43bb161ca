//! What is wrong with a command line, in the words of all other refusals: what, and what to type instead.

use super::Exit;
use super::args::{Color, Global, command};
use super::output::Output;
use super::profiles;
use super::refuse::refuse_as;
use crate::plan::{Class, Problem};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseIntError};

/// What other programs call a command, and what it is here.
const ELSEWHERE: [(&str, &str); 13] = [
    ("start", "run"),
    ("boot", "run"),
    ("create", "new"),
    ("shutdown", "stop"),
    ("destroy", "stop --force"),
    ("kill", "stop --force"),
    ("suspend", "pause"),
    ("reboot", "reset"),
    ("ls", "list"),
    ("dumpxml", "plan"),
    ("validate", "check"),
    ("doctor", "check"),
    ("version", "--version"),
];

/// Tells what clap has against `words`; help and version are no mistakes, and are printed.
pub(super) fn refuse(error: &clap::Error, words: &[OsString]) -> Exit {
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help || !error.use_stderr() {
        // Nobody is left to tell when this fails.
        _ = error.print();
        return if error.use_stderr() { Exit::Usage } else { Exit::Good };
    }
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    refuse_as(&[problem(error, &words)], Exit::Usage, Output::new(global(&words)))
}

/// The options of every command, as far as they can be seen on a command line that cannot be parsed.
fn global(words: &[String]) -> Global {
    let has = |option: &str| words.iter().any(|word| word == option);
    let color = match words.iter().position(|word| word == "--color").and_then(|at| words.get(at + 1)) {
        Some(when) if when == "always" => Color::Always,
        Some(when) if when == "never" => Color::Never,
        _ if has("--color=always") => Color::Always,
        _ if has("--color=never") => Color::Never,
        _ => Color::Auto,
    };
    Global { color, quiet: false, verbose: 0, json: has("--json"), notify: has("--notify") }
}

fn problem(error: &clap::Error, words: &[String]) -> Problem {
    let Place { name, usage, commands } = Place::of(words);
    let text = |kind| text(error, kind);
    let argument = text(ContextKind::InvalidArg);
    let value = text(ContextKind::InvalidValue);
    let (what, mut fixes) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand);
            // The first word may be the name of a profile.
            let profiles = if name == "vmrun" { profiles::names() } else { Vec::new() };
            let nor = if name == "vmrun" { ", nor a profile of this name" } else { "" };
            let meant = near(&word, commands.iter().chain(&profiles));
            let elsewhere = ELSEWHERE.iter().filter(|(theirs, _)| name == "vmrun" && *theirs == word);
            let known = elsewhere.map(|(_, ours)| (*ours).to_owned());
            let mut fixes: Vec<_> = known.chain(meant).filter_map(|it| instead(words, &word, &it)).collect();
            if fixes.is_empty() && name == "vmrun" {
                fixes.extend([usage.clone(), "vmrun list   # names the profiles".to_owned()]);
            }
            (format!("there is no command `{name} {word}`{nor}"), fixes)
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let meant = text(ContextKind::SuggestedArg);
            let meant = Some(meant).filter(|meant| !meant.is_empty());
            let fixes = meant.and_then(|it| instead(words, &argument, &it)).into_iter().collect();
            (format!("`{name}` has no option `{argument}`"), fixes)
        }
        ErrorKind::UnknownArgument => (format!("`{name}` takes no further word, and `{argument}` is one"), Vec::new()),
        ErrorKind::MissingRequiredArgument => (format!("`{name}` wants {argument}"), Vec::new()),
        ErrorKind::MissingSubcommand => (format!("`{name}` wants a command"), Vec::new()),
        ErrorKind::InvalidValue if value.is_empty() => (format!("{argument} wants a value"), Vec::new()),
        ErrorKind::InvalidValue => {
            let choices = text(ContextKind::ValidValue);
            (format!("`{value}` is no value of {argument}"), vec![format!("one of {}", choices.replace(' ', ", "))])
        }
        ErrorKind::ValueValidation => refused(error, &argument, &value),
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg);
            match other == argument || other.is_empty() {
                true => (format!("{argument} is given twice"), Vec::new()),
                false => (format!("{argument} and {other} are not taken together"), Vec::new()),
            }
        }
        _ => (error.kind().to_string(), Vec::new()),
    };
    if fixes.is_empty() {
        fixes.push(usage_of(error).unwrap_or(usage));
    }
    fixes.push(format!("{}   # tells more", help_of(&name)));
    Problem::new(Class::Invalid, "", what).fix(fixes.join("\n"))
}

/// What a value's own parser says, and its remedy where it tells one.
fn refused(error: &clap::Error, argument: &str, value: &str) -> (String, Vec<String>) {
    let source = error.source();
    let number = source.and_then(|it| it.downcast_ref::<ParseIntError>()).map(ParseIntError::kind);
    let said = source.map(ToString::to_string).unwrap_or_default();
    let (said, fix) = match (number, said.split_once("; ")) {
        (Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow), _) => (format!("`{value}` is too large"), None),
        (Some(IntErrorKind::Zero), _) => ("0 is too few".to_owned(), None),
        (Some(_), _) => (format!("`{value}` is no whole number"), None),
        (None, Some((what, fix))) => (what.to_owned(), Some(fix.to_owned())),
        (None, None) => (said, None),
    };
    // An argument without a name says nothing that the value does not.
    let what = if argument.starts_with('-') { format!("{argument}: {said}") } else { said };
    (what, fix.into_iter().collect())
}

/// What clap would have typed, where it knows more than the command in general.
fn usage_of(error: &clap::Error) -> Option<String> {
    let knows = matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict);
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) if knows => Some(after_usage(&usage.to_string())),
        _ => None,
    }
}

fn after_usage(text: &str) -> String {
    text.trim().trim_start_matches("Usage:").trim().to_owned()
}

/// What the context of `error` says under `kind`; of several, all.
fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        _ => String::new(),
    }
}

/// The command that words are of.
struct Place {
    /// As it is typed: `vmrun pci msi`.
    name: String,
    usage: String,
    /// The commands below it.
    commands: Vec<String>,
}

impl Place {
    fn of(words: &[String]) -> Self {
        let mut command = command();
        command.build();
        let mut name = "vmrun".to_owned();
        // What follows `--` is no command.
        for word in words.iter().skip(1).take_while(|word| *word != "--") {
            // `vmrun help NAME` is about that command of vmrun's.
            let below = command.find_subcommand(word).filter(|it| it.get_name() != "help").cloned();
            let Some(below) = below else { continue };
            name = format!("{name} {}", below.get_name());
            command = below;
        }
        Self {
            name,
            usage: after_usage(&command.render_usage().to_string()),
            commands: command.get_subcommands().map(|it| it.get_name().to_owned()).collect(),
        }
    }
}

/// How the help of command `name` is asked for.
fn help_of(name: &str) -> String {
    match name.strip_prefix("vmrun ") {
        Some(command) => format!("vmrun help {command}"),
        None => "vmrun help".to_owned(),
    }
}

/// Those of `known` that `word` most likely means.
fn near<'k>(word: &str, known: impl Iterator<Item = &'k String>) -> Vec<String> {
    let allowed = (word.chars().count() / 3).max(1);
    let distances: Vec<_> = known.map(|known| (strsim::osa_distance(word, known), known)).collect();
    let least = distances.iter().map(|(distance, _)| *distance).min().filter(|least| *least <= allowed);
    distances.into_iter().filter(|(distance, _)| Some(*distance) == least).map(|(_, known)| known.clone()).collect()
}

/// The command line with `meant` for `word`.
fn instead(words: &[String], word: &str, meant: &str) -> Option<String> {
    let at = words.iter().skip(1).position(|it| it == word || it.starts_with(&format!("{word}=")))? + 1;
    let rest = words[at][word.len()..].to_owned();
    let quoted = |word: &String| shlex::try_quote(word).map_or_else(|_| word.clone(), Into::into);
    let mut typed: Vec<String> = vec!["vmrun".to_owned()];
    typed.extend(words[1..at].iter().map(quoted));
    typed.push(format!("{meant}{rest}"));
    typed.extend(words[at + 1..].iter().map(quoted));
    Some(typed.join(" "))
}

#[cfg(test)]
mod test {
    use super::super::args::command;
    use super::problem;

    /// What is wrong with the words of `line`, and the first remedy.
    fn told(line: &str) -> (String, String) {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let error = command().try_get_matches_from(&words).expect_err("a mistake");
        let problem = problem(&error, &words);
        (problem.what, problem.fix.lines().next().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_word_mistyped_or_of_another_program_is_shown_in_its_command_line() {
        for (typed, meant) in [
            ("vmrun rnu x.toml", "vmrun run x.toml"),
            ("vmrun --json statsu games", "vmrun --json status games"),
            ("vmrun help rnu", "vmrun help run"),
            ("vmrun start games", "vmrun run games"),
            ("vmrun destroy games", "vmrun stop --force games"),
            ("vmrun rom ispect x", "vmrun rom inspect x"),
            ("vmrun new --guset=linux", "vmrun new --guest=linux"),
            ("vmrun run --varaint install games", "vmrun run --variant install games"),
        ] {
            assert_eq!(told(typed).1, meant, "{typed}");
        }
    }

    #[test]
    fn every_mistake_names_its_command_and_what_it_takes() {
        for (typed, what, fix) in [
            ("vmrun run", "`vmrun run` wants <PROFILE>", "vmrun run <PROFILE>"),
            ("vmrun pci msi", "`vmrun pci msi` wants <DEVICE>...", "vmrun pci msi <DEVICE>..."),
            (
                "vmrun pci msi 1:zz",
                "`1:zz` names no PCI device",
                "write its address (04:00, or 04:00.1 for one function), its place (00:03.1/00), its ids (10de:13c2) or the name of its slot",
            ),
            ("vmrun list games", "`vmrun list` takes no further word, and `games` is one", "vmrun list [OPTIONS]"),
            ("vmrun new --cores x", "--cores <N>: `x` is no whole number", "vmrun new [NAME] [OPTIONS]"),
            ("vmrun new --cores 0", "--cores <N>: 0 is too few", "vmrun new [NAME] [OPTIONS]"),
            ("vmrun new --memory 8", "--memory <SIZE>: `8` has no unit", "write 8M for MiB or 8G for GiB"),
            ("vmrun --color red ps", "`red` is no value of --color <WHEN>", "one of auto, always, never"),
            ("vmrun list --json --json", "--json is given twice", "vmrun list [OPTIONS]"),
        ] {
            assert_eq!(told(typed), (what.to_owned(), fix.to_owned()), "{typed}");
        }
    }
}
