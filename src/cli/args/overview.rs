//! What `vmrun --help` says below the commands of every day: the others by what they are about, and where to start.

use clap::{Arg, Command};
use std::fmt::Write as _;

/// The commands that are about the same, by their heading.
const GROUPS: [(&str, &[&str]); 3] = [
    ("profiles", &["edit", "list", "pick", "import", "export", "desktop-entry", "unit", "schema"]),
    ("machine", &["host", "pci", "isolate", "rom", "why", "report", "demo", "man"]),
    (
        "guests",
        &[
            "attach",
            "recover",
            "pause",
            "resume",
            "wake",
            "reset",
            "console",
            "logs",
            "events",
            "top",
            "verify",
            "diff",
            "screenshot",
            "send-key",
            "cd",
            "usb",
            "net",
            "qmp",
            "hmp",
        ],
    ),
];
/// Where those are named that no group has.
const LAST: &str = "guests";
/// Columns of a small terminal.
const COLUMNS: usize = 80;
/// Columns of the headings.
const HEADING: usize = 12;

/// The text for `command`, whose hidden commands it names.
pub(super) fn text(command: &Command) -> String {
    let hidden: Vec<_> = command.get_subcommands().filter(|it| it.is_hide_set()).map(Command::get_name).collect();
    let listed = |name: &&str| GROUPS.iter().any(|(_, names)| names.contains(name));
    let mut text = String::from("More, each explained by `vmrun help NAME`:\n");
    for (heading, names) in GROUPS {
        let own = names.iter().filter(|name| hidden.contains(name));
        let rest = hidden.iter().filter(|name| heading == LAST && !listed(name));
        paragraph(&mut text, heading, own.chain(rest).map(|name| (*name).to_owned()));
    }
    let options = command.get_arguments().map(option);
    paragraph(&mut text, "options", options);
    text.push_str("\nStart with `vmrun demo` or `vmrun new`. Manual: man vmrun, man vmrun-profile");
    text
}

/// An option as its line names it.
fn option(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    short.into_iter().chain(long).collect::<Vec<_>>().join("|")
}

/// Words below one another beside their heading.
fn paragraph(text: &mut String, heading: &str, words: impl Iterator<Item = String>) {
    let mut line = format!("  {heading:0$}", HEADING - 2);
    for word in words {
        if line.len() + 1 + word.len() > COLUMNS {
            _ = writeln!(text, "{line}");
            line = " ".repeat(HEADING);
        }
        let gap = if line.len() > HEADING { " " } else { "" };
        _ = write!(line, "{gap}{word}");
    }
    _ = writeln!(text, "{line}");
}
