//! Mistakes that the TOML parser finds, told one a line.

use super::document::{Document, Node};
use super::{Mistake, in_order};
use std::ops::Range;
use toml::de::{DeTable, DeValue, Error};

/// Messages of the parser about one value or key alone; what it made of the rest of the file can be relied on.
const LOCAL: &[&str] = &[
    "duplicate key",
    "string values must be quoted",
    "unexpected leading zero",
    "`_` may only go between digits",
    "integers with a radix cannot be signed",
    "radix must be lowercase",
    "redundant integer number prefix",
    "redundant numeric sign",
    "unexpected sign",
    "too few unicode value digits",
    "missing escaped value",
];

/// What the parser made of the text.
#[derive(Clone, Debug)]
pub(super) struct Parsed<'t> {
    pub(super) document: Document<'t>,
    pub(super) mistakes: Vec<Mistake>,
    /// Places of values that it made up.
    pub(super) spoiled: Vec<Range<usize>>,
    /// Whether a list is longer in the text.
    pub(super) shortened: bool,
}

/// Parses `text`, as far as single wrong values allow it.
///
/// # Errors
/// All mistakes of syntax, when some of them put the rest of the document in doubt.
pub(super) fn parse(text: &str) -> Result<Parsed<'_>, Vec<Mistake>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let document = Document { root };
    let errors = without_followers(text, one_a_line(text, errors));
    let mistakes: Vec<_> = errors.iter().map(|error| mistake(text, &document, error)).collect();
    if !errors.iter().all(is_local) {
        return Err(in_order(mistakes));
    }
    let broken = errors.iter().filter(|error| !is_duplicate(error)).filter_map(Error::span);
    let spoiled = broken.filter_map(|span| scalar_at(&document, &span).map(|node| node.span)).collect();
    Ok(Parsed { document, mistakes, spoiled, shortened: false })
}

fn is_local(error: &Error) -> bool {
    LOCAL.iter().any(|known| error.message().starts_with(known))
}

fn is_duplicate(error: &Error) -> bool {
    error.message() == "duplicate key"
}

/// The first error of each line: the parser's later ones follow from it.
fn one_a_line(text: &str, mut errors: Vec<Error>) -> Vec<Error> {
    errors.sort_by_key(start);
    errors.dedup_by_key(|error| line_of(text, start(error)));
    errors
}

/// Without what comes after an array that was left open: the parser took the rest of the file for its elements.
fn without_followers(text: &str, mut errors: Vec<Error>) -> Vec<Error> {
    if let Some(open) = errors.iter().position(|error| is_open_array(text, error)) {
        errors.truncate(open + 1);
    }
    errors
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// Beginnings of the parser's messages, what they mean, and the remedy.
const PLAIN: &[(&str, &str, &str)] = &[
    ("recursion limit", "tables are nested more than 80 deep", ""),
    ("cannot recurse further", "tables and arrays are nested more than 80 deep", ""),
    ("unclosed array table", "the header of the table is not closed", "close it with `]]`"),
    ("unclosed table", "the header of the table is not closed", "close it with `]`"),
    ("unclosed inline table", "the table that is written on one line is not closed", "close it with `}`"),
    ("invalid basic string, expected `\"`", "the text is not closed", "close it with `\"`"),
    ("invalid literal string, expected `'`", "the text is not closed", "close it with `'`"),
    ("key with no value", "the key has no value", "write `=` and a value behind it"),
    ("unexpected leading zero", "a number does not start with 0", "write it without the zero"),
];

fn mistake(text: &str, document: &Document<'_>, error: &Error) -> Mistake {
    let span = error.span().unwrap_or(0..0);
    let message = error.message();
    if is_duplicate(error) {
        return duplicate(text, document, span);
    }
    if message.starts_with("string values must be quoted") {
        return unquoted(text, document, span);
    }
    if is_open_array(text, error) {
        let open = opening(document, &span).unwrap_or(span);
        return Mistake::new(open, "the array that opens here is not closed").help("close it with `]`");
    }
    match PLAIN.iter().find(|(start, ..)| message.starts_with(start)) {
        Some((_, what, "")) => Mistake::new(span, *what),
        Some((_, what, help)) => Mistake::new(span, *what).help(*help),
        None => Mistake::new(span, message.replace(", expected nothing", "")),
    }
}

/// Whether the parser ran out of an array: to its end, or into the `key =` of a later line.
fn is_open_array(text: &str, error: &Error) -> bool {
    let message = error.message();
    let line = || text[start(error)..].lines().next().unwrap_or_default();
    let is_key = || line().split_once('=').is_some_and(|(key, _)| key.trim().bytes().all(is_bare));
    let element = message.starts_with("missing comma between array elements");
    (message.starts_with("unclosed array") && !message.starts_with("unclosed array table")) || (element && is_key())
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn duplicate(text: &str, document: &Document<'_>, span: Range<usize>) -> Mistake {
    let key = &text[span.clone()];
    let mut keys = document.nodes().into_iter().filter_map(|node| node.key);
    let first = keys.rfind(|first| first.start < span.start && text[first.clone()] == *key);
    let mistake = Mistake::new(span.clone(), format!("`{key}` is given a second time"));
    match first {
        Some(first) => mistake.help(format!("it is given first on line {}", line_of(text, first.start) + 1)),
        None => mistake,
    }
}

fn unquoted(text: &str, document: &Document<'_>, span: Range<usize>) -> Mistake {
    let bare = &text[span.clone()];
    if bare.trim().is_empty() {
        return Mistake::new(span, "the key has no value");
    }
    let help = match scalar_at(document, &span).map(|node| node.value) {
        Some(DeValue::String(text)) => format!("put it in quotes: \"{}\"", text.escape_default()),
        _ => "put it in quotes".to_owned(),
    };
    Mistake::new(span.clone(), format!("the text `{}` is not in quotes", bare.escape_debug())).help(help)
}

fn opening(document: &Document<'_>, end: &Range<usize>) -> Option<Range<usize>> {
    let around = |node: &Node<'_, '_>| {
        matches!(node.value, DeValue::Array(_)) && node.span.start < end.start && node.span.end >= end.start
    };
    document.nodes().into_iter().rfind(around).map(|node| node.span.start..node.span.start + 1)
}

fn scalar_at<'d, 't>(document: &'d Document<'t>, span: &Range<usize>) -> Option<Node<'d, 't>> {
    let touches = |node: &Node<'_, '_>| {
        !matches!(node.value, DeValue::Array(_) | DeValue::Table(_))
            && node.span.start <= span.start
            && span.start <= node.span.end
    };
    document.nodes().into_iter().rfind(touches)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}
