//! All wrong values of a document: note the first, take it out, try again.

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

/// Deserialises the document; adds to its mistakes what is wrong. `None` when something is.
///
/// Of a document that is not `complete` it is not told what is missing.
pub(super) fn deserialise<T: DeserializeOwned>(text: &str, parsed: &mut Parsed<'_>, complete: bool) -> Option<T> {
    let Parsed { document, mistakes, spoiled } = parsed;
    let mut repair = Repair { text, complete, touched: Vec::new(), taken: Vec::new(), missing: None };
    for span in spoiled {
        repair.take_at(document, span);
    }
    for _ in 0..MAX_ATTEMPTS {
        let error = match T::deserialize(Deserializer::from(document.root.clone())) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        match repair.after(document, &error) {
            Next::Told(mistake) => mistakes.push(mistake),
            Next::Silent => {}
            Next::Stop(mistake) => {
                mistakes.extend(mistake);
                return None;
            }
        }
        if mistakes.len() >= MAX_MISTAKES {
            return None;
        }
    }
    None
}

/// What has been done to the document so far.
struct Repair<'t> {
    text: &'t str,
    complete: bool,
    /// Tables and arrays around what was repaired; what serde says later about one as a whole may follow from that.
    touched: Vec<Place>,
    /// Keys taken out, with the table they were in: they are not missing.
    taken: Vec<(Place, String)>,
    /// The missing key that has a stand-in now, and how many kinds of stand-in were tried before.
    missing: Option<(Place, String, usize)>,
}

enum Next {
    Told(Mistake),
    Silent,
    Stop(Option<Mistake>),
}

impl Repair<'_> {
    fn after(&mut self, document: &mut Document<'_>, error: &Error) -> Next {
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
        if let (true, Some(meant)) = (unknown, meant) {
            let table = document.places(&path).pop().unwrap_or(ROOT);
            self.taken.push((table, meant));
        }
        self.take(document, &path);
        if doubtful { Next::Silent } else { Next::Told(mistake) }
    }

    fn missing_key(&mut self, document: &mut Document<'_>, key: &str, span: &Range<usize>) -> Next {
        let node = document.at(span).filter(|node| matches!(node.value, DeValue::Table(_)));
        let table = node.map_or(ROOT, |node| node.place());
        let known = !self.complete || self.taken.contains(&(table.clone(), key.to_owned()));
        self.missing = Some((table, key.to_owned(), 0));
        self.put_stand_in(document);
        if known { Next::Silent } else { Next::Told(words::missing_key(self.text, key, span.clone())) }
    }

    /// The stand-in had the wrong type: tries the next one, and when there is none takes out the table.
    fn other_stand_in(&mut self, document: &mut Document<'_>) -> Next {
        let Some((table, key, tried)) = self.missing.take() else { return Next::Stop(None) };
        if tried + 1 < STAND_INS.len() {
            self.missing = Some((table, key, tried + 1));
            self.put_stand_in(document);
            return Next::Silent;
        }
        let Some(path) = document.path_of(&table) else { return Next::Stop(None) };
        self.take(document, &path);
        Next::Silent
    }

    fn put_stand_in(&mut self, document: &mut Document<'_>) {
        let Some((table, key, tried)) = &self.missing else { return };
        let Ok(value) = DeValue::parse(STAND_INS[*tried]) else { return };
        let path = document.path_of(table).unwrap_or_default();
        document.insert(&path, key, Spanned::new(STAND_IN, value.into_inner()));
        self.touched.extend(document.places(&path));
        self.touched.push(table.clone());
    }

    fn take_at(&mut self, document: &mut Document<'_>, span: &Range<usize>) {
        if let Some(path) = document.at(span).map(|node| node.path) {
            self.take(document, &path);
        }
    }

    fn take(&mut self, document: &mut Document<'_>, path: &[Turn]) {
        let around = document.places(path);
        if let Some(Turn::Key(key)) = path.last() {
            self.taken.push((around.last().cloned().unwrap_or(ROOT), key.clone()));
        }
        self.touched.push(ROOT);
        self.touched.extend(around);
        document.remove(path);
    }
}
