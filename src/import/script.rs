//! A script, or a bare command line, that starts QEMU.

use super::argv::{self, Place, Word};
use super::beside::Beside;
use super::computed;
use super::exported;
use super::page::{Page, guest_name};
use super::report::{Fate, Report};
use super::shell::{self, Command, End, Replaced, is_assignment};
use super::wrap;
use crate::plan::{Class, Problem};

/// Programs that are QEMU for a PC.
pub(super) fn is_qemu(word: &str) -> bool {
    // Also one that the script looks for: $(which qemu-system-x86_64).
    let name = word.rsplit(['/', ' ', '(']).next().unwrap_or(word).trim_end_matches([')', '"']);
    matches!(
        name,
        "qemu-system-x86_64" | "qemu-kvm" | "kvm" | "qemu-system-x86" | "qemu-system-x86_64-spice" | "kvm-spice"
    )
}

/// Whether `text` starts QEMU, or is arguments of it alone.
pub(super) fn is_one(text: &str) -> bool {
    text.contains("qemu-system-") || text.contains("qemu-kvm") || text.split_whitespace().any(is_qemu)
}

/// The profile's text, and what became of each command.
pub(super) fn import(name: &str, text: &str) -> Result<(String, Report), Problem> {
    if let Some(own) = exported::import(text) {
        return Ok(own);
    }
    let script = shell::read(text);
    let commands: Vec<_> = script.commands.into_iter().flat_map(unfolded).collect();
    let starts = |command: &Command| (0..command.words.len()).find(|at| is_program(command, *at));
    let Some((place, at)) = commands.iter().enumerate().find_map(|(place, command)| Some((place, starts(command)?)))
    else {
        let what = format!("{name} starts no qemu-system-x86_64 that can be seen");
        let problem = Problem::new(Class::Invalid, "", what);
        return Err(problem
            .why("its name may be computed, or it may stand in a file that the script reads")
            .fix("start the guest, and give what `tr '\\0' ' ' < /proc/PID/cmdline` prints"));
    };
    let mut page = Page::default();
    let mut report = Report::default();
    page.head(format!("Made by `vmrun import` of {name}. `vmrun check` says whether it can run here."));
    let stem = name.rsplit('/').next().unwrap_or(name);
    page.top().set("name", guest_name(stem.split('.').next().unwrap_or(stem)));

    let mut env = Vec::new();
    for command in commands.iter().filter(|command| command.sets()) {
        values(command, &script.replaced, &mut env, &mut page, &mut report);
    }
    let qemu = &commands[place];
    wrap::import(&qemu.words[..at], &mut env, &mut page, &mut report);
    let program = &qemu.words[at];
    report.note(program.line, program.text.clone(), Fate::Kept);
    if !qemu.redirects.is_empty() {
        let fate = Fate::Needless("vmrun keeps what QEMU prints: `vmrun logs`".into());
        report.note(program.line, qemu.redirects.join(" "), fate);
    }
    let whole = Place::Whole { kvm: program.text.contains("kvm") };
    argv::import(&qemu.words[at + 1..], &env, whole, &mut page, &mut report);

    // After QEMU's own, so that it is known what the guest has.
    for (before, part) in [(true, &commands[..place]), (false, &commands[place + 1..])] {
        let mut beside = Beside { before, functions: &script.functions, page: &mut page, report: &mut report };
        let lines = part.chunk_by(|command, _| command.end == End::Pipe).enumerate();
        for (i, line) in lines.filter(|(_, line)| !line[0].sets()) {
            match line {
                // Of `qemu | tee log`.
                [reader] if !before && i == 0 && qemu.end == End::Pipe => {
                    beside.note(reader, Fate::Needless("vmrun keeps what QEMU prints: `vmrun logs`".into()));
                }
                [.., last] if last.end == End::Label && line[0].first() != "case" => {
                    let fate = Fate::Needless("a part of the script's own course".into());
                    line.iter().for_each(|label| beside.note(label, fate.clone()));
                }
                [asks, ..] if tells(asks) => {
                    beside.note(asks, Fate::Needless("QEMU tells of itself there, and starts no guest".into()));
                }
                [guest] if starts(guest).is_some() => {
                    beside.note(
                        guest,
                        Fate::Lost("another guest; a profile has one: import its command by itself".into()),
                    );
                }
                line => beside.pipeline(line),
            }
        }
    }
    computed::ask(&qemu.words[at + 1..], &mut page, &mut report);
    script.set_aside.iter().for_each(|(line, text)| set_aside(*line, text, &mut page, &mut report));
    Ok((page.render(), report.sorted()))
}

/// A command that is given to a shell as a word, `sudo bash -c "qemu-system-x86_64 …"`, as what it holds.
fn unfolded(command: Command) -> Vec<Command> {
    let text = |at: usize| command.words.get(at).map_or("", |word| word.text.as_str());
    let shell = |at: usize| matches!(text(at).rsplit('/').next(), Some("sh" | "bash" | "dash" | "zsh"));
    let user = matches!(text(0).rsplit('/').next(), Some("su"));
    let Some(at) = (1..command.words.len()).find(|at| text(*at) == "-c" && (shell(at - 1) || user)) else {
        return vec![command];
    };
    let starts = text(at + 1).split_whitespace().any(is_qemu);
    match starts && command.words.len() == at + 2 {
        true => command.within(if shell(at - 1) { at - 1 } else { at }, at + 1),
        false => vec![command],
    }
}

fn values(
    command: &Command,
    replaced: &[Replaced],
    env: &mut Vec<(String, String, usize)>,
    page: &mut Page,
    report: &mut Report,
) {
    let mut fate = Fate::Translated("its value stands where it is used".into());
    for word in &command.words {
        let Some((key, value)) = word.text.split_once('=') else { continue };
        if key.starts_with("QEMU_") {
            env.push((key.to_owned(), value.to_owned(), word.line));
        }
        let name = key.trim_end_matches('+');
        if let Some(gone) = replaced.iter().find(|gone| gone.line == word.line && gone.name == name) {
            page.tail(format!("To decide: in another branch {name} is `{}`.", gone.value));
            fate = Fate::Asked(format!("line {} gives {name} another value, which the profile has", gone.by));
        }
    }
    let line = command.words.first().map_or(0, |word| word.line);
    report.note(line, command.line(), fate);
}

/// An option that is commented out in the script, and is in the profile.
fn set_aside(line: usize, text: &str, page: &mut Page, report: &mut Report) {
    let words: Vec<_> = shell::read(text).commands.into_iter().flat_map(|command| command.words).collect();
    let mut scratch = Page::default();
    argv::import(&words, &[], Place::Libvirt { q35: false }, &mut scratch, &mut Report::default());
    page.tail(format!("Commented out in the script, too: {text}"));
    scratch.tables().lines().filter(|line| !line.is_empty()).for_each(|line| page.tail(line));
    report.note(line, format!("# {text}"), Fate::Translated("commented out in the profile, too".into()));
}

/// Whether the word `at` of a command is QEMU, and starts it. `kvm` is a word of QEMU's own options, too.
fn is_program(command: &Command, at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| command.words[before].text.as_str());
    let of_option = before.is_some_and(|word| OF_KVM.contains(&word.trim_start_matches('-')) && word.starts_with('-'));
    let word = &command.words[at].text;
    is_qemu(word) && !is_assignment(word) && !of_option && !talks(command) && !only_tells(&command.words[at + 1..])
}

/// Whether a command has QEMU tell of itself.
fn tells(command: &Command) -> bool {
    let at = command.words.iter().position(|word| is_qemu(&word.text));
    at.is_some_and(|at| only_tells(&command.words[at + 1..]))
}

/// Whether QEMU with these `words` tells of itself and ends: its version, its options.
fn only_tells(words: &[Word]) -> bool {
    let telling = ["-version", "--version", "-help", "--help", "-h", "-v"];
    let [first, rest @ ..] = words else { return false };
    rest.is_empty() && telling.contains(&first.text.as_str()) || rest.len() == 1 && rest[0].text == "help"
}

/// Options of QEMU whose value may be the name of a program.
const OF_KVM: [&str; 5] = ["accel", "machine", "M", "name", "process"];

/// Whether a command only speaks of QEMU, or looks for it.
fn talks(command: &Command) -> bool {
    // Variables may be set for one command: LC_ALL=C PATH=… qemu-system-x86_64, as libvirt's log has it.
    let first = command.words.iter().find(|word| !is_assignment(&word.text)).map_or("", |word| word.text.as_str());
    let first = first.trim_start_matches("$(");
    matches!(
        first,
        "echo"
            | "set"
            | "printf"
            | "pgrep"
            | "pkill"
            | "killall"
            | "pidof"
            | "["
            | "[["
            | "which"
            | "command"
            | "test"
            | "cat"
            | "grep"
            | "while"
            | "if"
            | "until"
            | "type"
            | "alias"
    )
}
