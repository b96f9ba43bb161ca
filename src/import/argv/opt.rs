//! One option of QEMU's command line, whose parts remember whether somebody looked at them.

use super::parts;
use crate::import::report::{Fate, Report};
use std::cell::{Cell, RefCell};

/// A word of a command line.
#[derive(Clone, Debug)]
pub(in crate::import) struct Word {
    /// Its text, without quotes.
    pub(in crate::import) text: String,
    /// Its line in the file.
    pub(in crate::import) line: usize,
    /// Comments that stand in its line, or above it.
    pub(in crate::import) comments: Vec<String>,
}

impl Word {
    /// A word without comments.
    pub(in crate::import) fn plain(text: &str, line: usize) -> Self {
        Self { text: text.to_owned(), line, comments: Vec::new() }
    }
}

#[derive(Debug)]
struct Pair {
    key: String,
    value: String,
    seen: Cell<bool>,
}

/// An option with its value taken apart: `head,key=value,…`.
#[derive(Debug)]
pub(super) struct Opt {
    /// Its name without dashes.
    pub(super) name: String,
    /// Its line in the file.
    pub(super) line: usize,
    /// The value as it was; empty for an option that takes none.
    pub(super) value: String,
    /// What stands before the first `=`, when it is no pair.
    pub(super) head: String,
    pub(super) comments: Vec<String>,
    pairs: Vec<Pair>,
    fates: RefCell<Vec<Fate>>,
    /// Whether it is in the report already, with another option.
    pub(super) silent: Cell<bool>,
}

impl Opt {
    pub(super) fn new(name: &str, value: &str, line: usize, comments: Vec<String>) -> Self {
        let (head, pairs) = parts::of(name, value);
        let pairs = pairs.into_iter().map(|(key, value)| Pair { key, value, seen: Cell::new(false) }).collect();
        let (fates, silent) = (RefCell::default(), Cell::new(false));
        Self { name: name.into(), line, value: value.into(), head, comments, pairs, fates, silent }
    }

    /// Gives `key` a value, which is the last one.
    pub(super) fn add(&mut self, key: &str, value: &str) {
        self.pairs.push(Pair { key: key.to_owned(), value: value.to_owned(), seen: Cell::new(false) });
    }

    /// Whether somebody said what became of it.
    pub(super) fn is_told(&self) -> bool {
        !self.fates.borrow().is_empty()
    }

    /// The value of `key`; dashes and underscores are one. The last one counts, but of `id` the first. QEMU:
    /// `util/qemu-option.c`, `opts_parse_id`.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let wanted = key.replace('_', "-");
        let mut found = None;
        for pair in self.pairs.iter().filter(|pair| pair.key.replace('_', "-") == wanted) {
            pair.seen.set(true);
            found = found.filter(|_| key == "id").or(Some(pair.value.as_str()));
        }
        found
    }

    /// The value of the first of `keys` that is there.
    pub(super) fn any(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// All values of `key`.
    pub(super) fn all(&self, key: &str) -> Vec<&str> {
        let pairs = self.pairs.iter().filter(|pair| pair.key == key || is_entry(&pair.key, key));
        pairs.inspect(|pair| pair.seen.set(true)).map(|pair| pair.value.as_str()).collect()
    }

    /// Whether `key` is on; `None` when it is not there.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.get(key).map(is_on)
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(crate::import::xml::number)
    }

    /// The pairs that nobody has looked at, which are seen from now on.
    pub(super) fn rest(&self) -> Vec<(String, String)> {
        let unseen = self.pairs.iter().filter(|pair| !pair.seen.get());
        unseen.inspect(|pair| pair.seen.set(true)).map(|pair| (pair.key.clone(), pair.value.clone())).collect()
    }

    /// Every pair, which is seen from now on.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        self.pairs
            .iter()
            .inspect(|pair| pair.seen.set(true))
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect()
    }

    pub(super) fn translated(&self, how: impl Into<String>) {
        self.fates.borrow_mut().push(Fate::Translated(how.into()));
    }

    pub(super) fn needless(&self, why: impl Into<String>) {
        self.rest();
        self.fates.borrow_mut().push(Fate::Needless(why.into()));
    }

    pub(super) fn lost(&self, why: impl Into<String>) {
        self.rest();
        self.fates.borrow_mut().push(Fate::Lost(why.into()));
    }

    pub(super) fn asked(&self, question: impl Into<String>) {
        self.fates.borrow_mut().push(Fate::Asked(question.into()));
    }

    /// How it is written.
    pub(super) fn shown(&self) -> String {
        format!("-{} {}", self.name, self.value).trim_end().to_owned()
    }

    /// Puts it into the report.
    pub(super) fn report(&self, report: &mut Report) {
        let fates = self.fates.borrow();
        if fates.is_empty() && !self.silent.get() {
            // A passed function may have it in the profile.
            let moved = self.name == "device" && !self.head.starts_with("vfio-pci") && self.get("addr").is_some();
            let how = || Fate::Translated("at an address of vmrun's choice, the same at every start".into());
            report.note(self.line, self.shown(), if moved { how() } else { Fate::Kept });
        }
        fates.iter().for_each(|fate| report.note(self.line, self.shown(), fate.clone()));
        for pair in self.pairs.iter().filter(|pair| !pair.seen.get()) {
            // Names of devices and backends tie options together, and are vmrun's own.
            if !matches!(pair.key.as_str(), "id" | "node-name") {
                let what = format!("-{} …,{}={}", self.name, pair.key, pair.value);
                report.note(self.line, what, Fate::Lost("vmrun has nothing like it".into()));
            }
        }
    }
}

/// Whether `name` is that of an entry of the JSON array `list`, or of the text in it: `hostfwd.0.str`.
fn is_entry(name: &str, list: &str) -> bool {
    let entry = name.strip_prefix(list).and_then(|rest| rest.strip_prefix('.'));
    let number = entry.map(|entry| entry.strip_suffix(".str").unwrap_or(entry));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether `value` says yes. QEMU: `util/cutils.c`, `qapi_bool_parse`.
pub(super) fn is_on(value: &str) -> bool {
    matches!(value, "on" | "yes" | "true" | "y" | "1")
}
