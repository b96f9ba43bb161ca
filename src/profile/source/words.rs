//! What serde says, in the words of a person who writes TOML.

use super::Mistake;
use super::document::{Node, Turn};
use std::ops::Range;
use toml::de::{DeValue, Error};

/// The mistake that `error` tells about the value `node`.
pub(super) fn mistake(text: &str, error: &Error, node: &Node<'_, '_>) -> Mistake {
    let (span, message) = (error.span().unwrap_or(0..0), error.message());
    if let Some((key, known)) = listed(message, "unknown field ") {
        let what = format!("unknown key `{key}`{}", around(text, node));
        return suggest(Mistake::new(span, what), key, &known, "the keys here are");
    }
    if let Some((word, known)) = listed(message, "unknown variant ") {
        let what = format!("`{word}` is not one of the choices");
        return suggest(Mistake::new(span, what), word, &known, "the choices are");
    }
    // A choice was written as the key of a table.
    if message.starts_with("expected empty ") {
        let names: Vec<_> = node.path.iter().filter_map(key).collect();
        let [.., name, word] = names[..] else { return Mistake::new(span, "a choice takes no value") };
        return Mistake::new(span, format!("`{word}` takes no value")).help(format!("write {name} = \"{word}\""));
    }
    match expectation(message) {
        Some(wanted) => mistyped(text, span, wanted, node),
        None => with_remedy(span, message),
    }
}

/// What a value's own type says of it: what is wrong, and after `; write` how it is written.
fn with_remedy(span: Range<usize>, message: &str) -> Mistake {
    // Between backquotes stands what the user wrote.
    let of_ours = |what: &&str| what.matches('`').count().is_multiple_of(2);
    match message.rsplit_once("; write ").filter(|(what, _)| of_ours(what)) {
        Some((what, remedy)) => Mistake::new(span, what).help(format!("write {remedy}")),
        None => Mistake::new(span, message),
    }
}

/// The mistake that `key`, which may be `value`, is missing in the table at `span`; at the root when that is empty.
pub(super) fn missing_key(text: &str, (key, value): (&str, &str), span: Range<usize>) -> Mistake {
    let header = text.get(span.clone()).unwrap_or_default();
    let (place, help) = match header.chars().next() {
        None => ("the file".to_owned(), format!("add `{key} = {value}` above the first table")),
        Some('[') => (header.to_owned(), format!("add `{key} = {value}` below {header}")),
        Some(_) => ("this table".to_owned(), format!("add `{key} = {value}` to it")),
    };
    Mistake::new(span, format!("{place} has no `{key}`")).help(help)
}

/// The key in "missing field `key`".
pub(super) fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Whether the message is about an unknown key.
pub(super) fn is_unknown_key(message: &str) -> bool {
    message.starts_with("unknown field ")
}

/// The known key that an unknown one was probably meant to be.
pub(super) fn meant(message: &str) -> Option<String> {
    let (key, known) = listed(message, "unknown field ")?;
    nearest(key, &known).map(str::to_owned)
}

/// The words that a value may be, where the message lists them.
pub(super) fn choices(message: &str) -> Vec<String> {
    let list = listed(message, "unknown variant ").map(|(_, known)| known).unwrap_or_default();
    list.into_iter().map(str::to_owned).collect()
}

/// The word and the list in "unknown field `word`, expected one of `a`, `b`".
fn listed<'m>(message: &'m str, prefix: &str) -> Option<(&'m str, Vec<&'m str>)> {
    let (word, rest) = message.strip_prefix(prefix)?.strip_prefix('`')?.split_once("`, ")?;
    // Names stand between backquotes, so every second piece is one.
    Some((word, rest.split('`').skip(1).step_by(2).collect()))
}

fn suggest(mistake: Mistake, word: &str, known: &[&str], list: &str) -> Mistake {
    match nearest(word, known) {
        Some(meant) => mistake.help(format!("did you mean `{meant}`?")),
        None if known.is_empty() => mistake,
        None => mistake.help(format!("{list} {}", known.join(", "))),
    }
}

/// The one of `known` that `word` most likely means; `None` when none is near.
pub(in crate::profile) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let allowed = (word.chars().count() / 3).max(1);
    let distances = known.iter().map(|known| (strsim::osa_distance(&word, &plain(known)), *known));
    distances.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The table that `node` is in, as its header stands in the text; nothing for the root.
fn around(text: &str, node: &Node<'_, '_>) -> String {
    let names: Vec<_> = node.path[..node.path.len() - 1].iter().collect();
    let array = matches!(names.last(), Some(Turn::Index(_)));
    let dotted: Vec<_> = names.into_iter().filter_map(key).collect();
    match (dotted.is_empty(), array && text.contains("[[")) {
        (true, _) => String::new(),
        (false, true) => format!(" in [[{}]]", dotted.join(".")),
        (false, false) => format!(" in [{}]", dotted.join(".")),
    }
}

fn key(turn: &Turn) -> Option<&str> {
    match turn {
        Turn::Key(key) => Some(key),
        Turn::Index(_) => None,
    }
}

/// What was expected, in "invalid type: integer `8`, expected a string".
fn expectation(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some(rest) = rest.or_else(|| message.strip_prefix("invalid length ")) {
        return rest.rsplit_once(", expected ").map(|(_, wanted)| wanted);
    }
    message.strip_prefix("wanted ")
}

fn mistyped(text: &str, span: Range<usize>, wanted: &str, node: &Node<'_, '_>) -> Mistake {
    let written = text.get(node.span.clone()).unwrap_or_default();
    let name = node.path.iter().rev().find_map(key).unwrap_or_default();
    let header = written.starts_with("[[") && matches!(node.path.last(), Some(Turn::Index(_)));
    // Serde offers an array's elements to a table's keys one by one, so the expectation is that of the first key.
    if header && matches!(node.value, DeValue::Table(_)) {
        let what = format!("{written} makes a list of tables, and there is one `{name}` only");
        return Mistake::new(span, what).help(format!("write [{name}] once"));
    }
    if written.starts_with('[') && matches!(node.value, DeValue::Table(_)) && wanted.contains("sequence") {
        let what = format!("{written} makes one table, and `{name}` is a list of tables");
        return Mistake::new(span, what).help(format!("write [[{name}]]"));
    }
    let mistake = Mistake::new(span, format!("expected {}, found {}", plain(wanted), found(node.value)));
    match node.value {
        DeValue::String(text) if is_number(wanted) && text.parse::<i64>().is_ok() => {
            mistake.help(format!("write it without quotes: {text}"))
        }
        DeValue::String(text) if wanted == "a boolean" && matches!(&**text, "true" | "false") => {
            mistake.help(format!("write it without quotes: {text}"))
        }
        DeValue::Integer(_) | DeValue::Float(_) if wanted.contains("string") => {
            mistake.help(format!("put it in quotes, with its unit if it has one: \"{written}\""))
        }
        _ => mistake,
    }
}

fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{}\"", shortened(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(truth) => format!("`{truth}`"),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(elements) => format!("a list of {}", elements.len()),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text[..end].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}

fn is_number(wanted: &str) -> bool {
    plain(wanted).starts_with("a whole number")
}

/// Serde's names of types in words.
fn plain(wanted: &str) -> String {
    let words = match wanted {
        "a string" | "a borrowed string" | "a character" | "path string" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "f32" | "f64" => "a number",
        "string or table" => "one of the choices, in quotes",
        "u64" | "usize" => "a whole number from 0",
        "i64" | "isize" => "a whole number",
        "u8" => "a whole number from 0 to 255",
        "i8" => "a whole number from -128 to 127",
        "u16" => "a whole number from 0 to 65535",
        "i16" => "a whole number from -32768 to 32767",
        "u32" => "a whole number from 0 to 4294967295",
        "i32" => "a whole number from -2147483648 to 2147483647",
        _ if wanted.starts_with("struct ") => "a table",
        _ if wanted.starts_with("a nonzero u") => "a whole number from 1",
        _ => wanted,
    };
    words.to_owned()
}
