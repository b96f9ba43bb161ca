//! The differences for a person and for programs.

use super::{Changed, Compared};
use crate::cli::Exit;
use crate::cli::render::{counted, paragraph};
use crate::profile::source::Difference;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The changed keys by when they count, what gives them to the guest now, and what becomes of the plan.
pub(super) fn text(compared: &Compared, becomes: &str, width: usize) -> String {
    let Compared { name, is, changed, .. } = compared;
    let profile = is.sheets.name();
    if changed.is_empty() {
        return format!("{name}: it was started with {profile} as that is now\n");
    }
    let mut page = format!("{name}: {} of {profile} changed since it was started\n", counted(changed.len(), "key"));
    let (now, later): (Vec<_>, Vec<_>) = changed.iter().partition(|changed| !changed.commands.is_empty());
    section(&mut page, "At the next start", &later, compared, width);
    section(&mut page, "At the next start, or now by", &now, compared, width);
    let mut told = Vec::new();
    for words in now.iter().flat_map(|changed| &changed.commands) {
        let command = command(words);
        if !told.contains(&command) {
            _ = writeln!(page, "    {command}");
            told.push(command);
        }
    }
    let becomes = if becomes.is_empty() { "the plan stays the same\n" } else { becomes };
    _ = write!(page, "\n{becomes}");
    page
}

fn section(page: &mut String, title: &str, changed: &[&Changed], compared: &Compared, width: usize) {
    if changed.is_empty() {
        return;
    }
    _ = writeln!(page, "\n{title}");
    for Changed { difference, .. } in changed {
        paragraph(page, 2, width, &line(difference, compared));
    }
}

/// A key with its line, and its values.
fn line(difference: &Difference, compared: &Compared) -> String {
    let Difference { was_at: _, at, was, is } = difference;
    let values = match (was, is) {
        (Some(was), Some(is)) => format!("{was} -> {is}"),
        (Some(was), None) => format!("{was} is gone"),
        (None, Some(is)) => format!("{is} is new"),
        (None, None) => String::new(),
    };
    let place = place(at, compared).map(|(file, line)| match file == compared.is.sheets.name() {
        true => format!(":{line}"),
        false => format!(" ({file}:{line})"),
    });
    let why = compared.is.keys.preset(at).map(|why| format!(" (derived from guest: {why})")).unwrap_or_default();
    format!("{at}{}  {values}{why}", place.unwrap_or_default())
}

/// File and line of a key that the profile has.
fn place(at: &str, Compared { is, .. }: &Compared) -> Option<(String, usize)> {
    let span = is.keys.span_of(at).filter(|_| is.keys.has(at) && is.keys.preset(at).is_none())?;
    let shown = is.sheets.shown(&span);
    Some((shown.name.to_owned(), shown.line))
}

fn command(words: &[String]) -> String {
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// The same as JSON.
pub(super) fn json(compared: &Compared, exit: Exit) -> Value {
    let Compared { name, is, changed, .. } = compared;
    let changes: Vec<_> = changed.iter().map(|changed| record(changed, compared)).collect();
    json!({
        "v": 1, "name": name, "profile": is.sheets.name(), "same": changed.is_empty(), "changes": changes,
        "against": compared.against(), "exit": exit.code(),
    })
}

fn record(Changed { difference, commands }: &Changed, compared: &Compared) -> Value {
    let Difference { was_at, at, was, is } = difference;
    let place = place(at, compared);
    let takes_effect = if commands.is_empty() { "next_start" } else { "now" };
    json!({
        "key": at, "was_key": was_at, "was": was, "is": is,
        "file": place.as_ref().map(|(file, _)| file), "line": place.as_ref().map(|(_, line)| line),
        "takes_effect": takes_effect, "commands": commands,
    })
}
