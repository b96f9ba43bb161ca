//! All wrong values of a document: note the first, take it out, try again.
//!
//! A key that is one letter away from a known one is taken for that one, so that its value is judged too.

use super::document::{Document, Place, ROOT, Turn};
use super::syntax::Parsed;
use super::{MAX_MISTAKES, Mistake, words};
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeValue, Deserializer, Error};

/// Place of what was put in for a missing key; no text is that long.
const STAND_IN: Range<usize> = usize::MAX..usize::MAX;

/// Values that are tried for a missing key, so that the next missing key is found too.
const STAND_INS: &[&str] = &["\"x\"", "1", "true", "[]", "{}"];

/// Bound on the attempts: a few for each mistake that is told.
const MAX_ATTEMPTS: usize = 8 * MAX_MISTAKES;

/// Bound on the values that all attempts together look at, so that a file of a mebibyte is answered in a second too.
const MAX_LOOKS: usize = 300_000;

/// What a document says without its mistakes.
#[derive(Debug)]
pub(super) struct Repaired<'t, T> {
    /// The value; `None` when nothing of use is left.
    pub(super) value: Option<T>,
    /// What was left out or is missing.
    pub(super) left: Vec<Left<'t>>,
    /// Whether all mistakes were found.
    pub(super) finished: bool,
}

/// A value that is not in the document although the user wrote it, or had to.
#[derive(Clone, Debug)]
pub(super) struct Left<'t> {
    /// The way to it.
    pub(super) way: Vec<Turn>,
    pub(super) kind: LeftKind,
    /// What it may be, where its type is a choice of words.
    pub(super) choices: Vec<String>,
    /// What was written there.
    pub(super) written: Option<Spanned<DeValue<'t>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftKind {
    /// It was wrong.
    Wrong,
    /// It has a key that nobody knows, and that is like none.
    Unknown,
    /// Its key was misspelt, and it has the right one now.
    Renamed,
    /// The table has to have it, and something stands in for it.
    Missing,
}

/// Deserialises the document; adds to its mistakes what is wrong.
///
/// Of a document that is not `complete` it is not told what is missing; of one without a `schema`, that it is to be the
/// `newest`.
pub(super) fn deserialise<'t, T: DeserializeOwned>(
    text: &str,
    parsed: &mut Parsed<'t>,
    complete: bool,
    newest: Option<i64>,
) -> Repaired<'t, T> {
    let Parsed { document, mistakes, spoiled, shortened: _ } = parsed;
    let (touched, taken, missing, left) = (Vec::new(), Vec::new(), None, Vec::new());
    let mut repair = Repair { text, complete, newest, touched, taken, missing, left };
    for span in spoiled {
        repair.take_at(document, span);
    }
    let attempts = (MAX_LOOKS / document.nodes().len().max(1)).clamp(8, MAX_ATTEMPTS);
    let given_up = |repair: Repair<'_, 't>, finished| Repaired { value: None, left: repair.left, finished };
    for _ in 0..attempts {
        let error = match T::deserialize(Deserializer::from(document.root.clone())) {
            Ok(value) => return Repaired { value: Some(value), left: repair.left, finished: true },
            Err(error) => error,
        };
        match repair.after(document, &error) {
            Next::Told(mistake) => mistakes.push(mistake),
            Next::Silent => {}
            Next::Stop(mistake) => {
                mistakes.extend(mistake);
                return given_up(repair, true);
            }
        }
        if mistakes.len() >= MAX_MISTAKES {
            return given_up(repair, false);
        }
    }
    given_up(repair, false)
}

/// What has been done to the document so far.
struct Repair<'s, 't> {
    text: &'s str,
    complete: bool,
    newest: Option<i64>,
    /// Tables and arrays around what was repaired; what serde says later about one as a whole may follow from that.
    touched: Vec<Place>,
    /// Keys taken out, with the table they were in: they are not missing.
    taken: Vec<(Place, String)>,
    /// The missing key that has a stand-in now, and how many kinds of stand-in were tried before.
    missing: Option<(Place, String, usize)>,
    /// What the document has not, or has under another key.
    left: Vec<Left<'t>>,
}

enum Next {
    Told(Mistake),
    Silent,
    Stop(Option<Mistake>),
}

impl<'t> Repair<'_, 't> {
    fn after(&mut self, document: &mut Document<'t>, error: &Error) -> Next {
        let span = error.span().unwrap_or(0..0);
        if span == STAND_IN {
            return self.other_stand_in(document);
        }
        if let Some(key) = words::missing(error.message()) {
            return self.missing_key(document, key, &span);
        }
        let unknown = words::is_unknown_key(error.message());
        let found = if unknown { document.keyed(&span) } else { document.at(&span) };
        let Some(node) = found else {
            // About the file as a whole; true only while nothing was taken out of it.
            let whole = Mistake::new(span, error.message());
            return Next::Stop(self.touched.is_empty().then_some(whole));
        };
        let doubtful = self.touched.contains(&node.place()) && !unknown;
        let mistake = words::mistake(self.text, error, &node);
        let (path, meant) = (node.path, words::meant(error.message()));
        match meant {
            Some(meant) if unknown => self.rename(document, &path, &meant),
            _ if unknown => self.take(document, &path, LeftKind::Unknown, Vec::new()),
            _ => self.take(document, &path, LeftKind::Wrong, words::choices(error.message())),
        }
        if doubtful { Next::Silent } else { Next::Told(mistake) }
    }

    /// Puts the value at `path` under the key that was `meant`, unless that is there as well.
    fn rename(&mut self, document: &mut Document<'t>, path: &[Turn], meant: &str) {
        let Some((_, around)) = path.split_last() else { return };
        let table = document.places(path).pop().unwrap_or(ROOT);
        self.taken.push((table, meant.to_owned()));
        let way: Vec<_> = around.iter().cloned().chain([Turn::Key(meant.to_owned())]).collect();
        let value = document.get(path).cloned();
        let (Some(value), None) = (value, document.get(&way)) else {
            return self.take(document, path, LeftKind::Unknown, Vec::new());
        };
        document.remove(path);
        self.touched.push(ROOT);
        self.touched.extend(document.places(&way));
        // Should the guess be wrong, then nothing is said of its type.
        self.touched.push((way.len(), value.span()));
        document.insert(around, meant, value.clone());
        self.left.push(Left { way, kind: LeftKind::Renamed, choices: Vec::new(), written: Some(value) });
    }

    fn missing_key(&mut self, document: &mut Document<'t>, key: &str, span: &Range<usize>) -> Next {
        let node = document.at(span).filter(|node| matches!(node.value, DeValue::Table(_)));
        let table = node.map_or(ROOT, |node| node.place());
        let known = !self.complete || self.taken.contains(&(table.clone(), key.to_owned()));
        let around = document.path_of(&table).unwrap_or_default();
        let way = around.into_iter().chain([Turn::Key(key.to_owned())]).collect();
        self.left.push(Left { way, kind: LeftKind::Missing, choices: Vec::new(), written: None });
        let value = self.newest.filter(|_| table == ROOT && key == "schema").map(|newest| newest.to_string());
        self.missing = Some((table, key.to_owned(), 0));
        self.put_stand_in(document);
        if known {
            return Next::Silent;
        }
        Next::Told(words::missing_key(self.text, (key, value.as_deref().unwrap_or("…")), span.clone()))
    }

    /// The stand-in had the wrong type: tries the next one, and when there is none takes out the table.
    fn other_stand_in(&mut self, document: &mut Document<'t>) -> Next {
        let Some((table, key, tried)) = self.missing.take() else { return Next::Stop(None) };
        if tried + 1 < STAND_INS.len() {
            self.missing = Some((table, key, tried + 1));
            self.put_stand_in(document);
            return Next::Silent;
        }
        let Some(path) = document.path_of(&table) else { return Next::Stop(None) };
        self.take(document, &path, LeftKind::Wrong, Vec::new());
        Next::Silent
    }

    fn put_stand_in(&mut self, document: &mut Document<'t>) {
        let Some((table, key, tried)) = &self.missing else { return };
        let Ok(value) = DeValue::parse(STAND_INS[*tried]) else { return };
        let path = document.path_of(table).unwrap_or_default();
        document.insert(&path, key, Spanned::new(STAND_IN, value.into_inner()));
        self.touched.extend(document.places(&path));
        self.touched.push(table.clone());
    }

    fn take_at(&mut self, document: &mut Document<'t>, span: &Range<usize>) {
        if let Some(path) = document.at(span).map(|node| node.path) {
            self.take(document, &path, LeftKind::Wrong, Vec::new());
        }
    }

    fn take(&mut self, document: &mut Document<'t>, path: &[Turn], kind: LeftKind, choices: Vec<String>) {
        self.left.push(Left { way: path.to_vec(), kind, choices, written: document.get(path).cloned() });
        let around = document.places(path);
        if let Some(Turn::Key(key)) = path.last() {
            self.taken.push((around.last().cloned().unwrap_or(ROOT), key.clone()));
        }
        self.touched.push(ROOT);
        self.touched.extend(around);
        document.remove(path);
    }
}
