//! What is different between two documents, key by key.

use diffy::{DiffOptions, HunkRange};
use std::ops::Range;
use toml::{Table, Value};

/// A key whose value is not the same in both documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its path in the first document, like `usb[1].id`; of one that only the second has, its path there.
    pub was_at: String,
    /// Its path in the second document; of one that only the first has, its path there.
    pub at: String,
    /// Its value in the first document; `None` when that has no such key.
    pub was: Option<Value>,
    /// Its value in the second document; `None` when that has no such key.
    pub is: Option<Value>,
}

/// The keys that are different, outermost first. A table or an entry of an array of tables that only one document has is
/// one key. Entries that are the same stay paired wherever they stand, and so do those that changed in their place.
#[must_use]
pub fn differences(was: &Table, is: &Table) -> Vec<Difference> {
    let mut found = Vec::new();
    tables(("", was), ("", is), &mut found);
    found
}

/// A path and what stands there.
type At<'a, T> = (&'a str, T);

fn tables((was_at, was): At<&Table>, (at, is): At<&Table>, found: &mut Vec<Difference>) {
    let gone = was.keys().filter(|key| !is.contains_key(*key));
    for key in is.keys().chain(gone) {
        let (was_at, at) = (below(was_at, key), below(at, key));
        match (was.get(key), is.get(key)) {
            (Some(was), Some(is)) => values((&was_at, was), (&at, is), found),
            (None, Some(Value::Array(is))) if are_tables(is) => entries((&was_at, &[]), (&at, is), found),
            (Some(Value::Array(was)), None) if are_tables(was) => entries((&was_at, was), (&at, &[]), found),
            (was, is) => found.push(Difference { was_at, at, was: was.cloned(), is: is.cloned() }),
        }
    }
}

fn values((was_at, was): At<&Value>, (at, is): At<&Value>, found: &mut Vec<Difference>) {
    match (was, is) {
        (Value::Table(was), Value::Table(is)) => tables((was_at, was), (at, is), found),
        (Value::Array(was), Value::Array(is)) if are_tables(was) && are_tables(is) => {
            entries((was_at, was), (at, is), found);
        }
        _ if was == is => {}
        _ => found.push(Difference {
            was_at: was_at.to_owned(),
            at: at.to_owned(),
            was: Some(was.clone()),
            is: Some(is.clone()),
        }),
    }
}

fn are_tables(array: &[Value]) -> bool {
    !array.is_empty() && array.iter().all(Value::is_table)
}

/// Pairs the entries of two arrays of tables.
fn entries((was_at, was): At<&[Value]>, (at, is): At<&[Value]>, found: &mut Vec<Difference>) {
    for (old, new) in changed(was, is) {
        for place in 0..old.len().max(new.len()) {
            let (i, j) = (old.start + place, new.start + place);
            let (was, is) = (was.get(i).filter(|_| old.contains(&i)), is.get(j).filter(|_| new.contains(&j)));
            let was_at = format!("{was_at}[{}]", if was.is_some() { i } else { j });
            let at = format!("{at}[{}]", if is.is_some() { j } else { i });
            match (was, is) {
                (Some(was), Some(is)) => values((&was_at, was), (&at, is), found),
                (was, is) => found.push(Difference { was_at, at, was: was.cloned(), is: is.cloned() }),
            }
        }
    }
}

/// The entries that are not the same, and what stands in their place: those of two texts with an entry in each line.
fn changed(was: &[Value], is: &[Value]) -> Vec<(Range<usize>, Range<usize>)> {
    let lines = |array: &[Value]| array.iter().map(|entry| format!("{:?}\n", entry.to_string())).collect::<String>();
    let (was, is) = (lines(was), lines(is));
    let patch = DiffOptions::new().set_context_len(0).create_patch(&was, &is);
    patch.hunks().iter().map(|hunk| (counted(hunk.old_range()), counted(hunk.new_range()))).collect()
}

/// Lines are counted from one, and those that are nowhere by the line before.
fn counted(lines: HunkRange) -> Range<usize> {
    let start = lines.start() - usize::from(!lines.is_empty());
    start..start + lines.len()
}

fn below(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

#[cfg(test)]
mod test {
    use super::differences;

    fn found(was: &str, is: &str) -> Vec<String> {
        let found = differences(&was.parse().unwrap(), &is.parse().unwrap());
        let word = |value: &Option<toml::Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
        found.iter().map(|it| format!("{} {} {} {}", it.was_at, word(&it.was), it.at, word(&it.is))).collect()
    }

    #[test]
    fn a_key_that_came_went_or_changed_is_told_once() {
        let was = "a = 1\n[cpu]\ncores = 4\n[tpm]\nstate = \"x\"\n";
        let is = "b = 2\n[cpu]\ncores = 6\npinning = [1, 2]\n";
        assert_eq!(
            found(was, is),
            [
                "b - b 2",
                "cpu.cores 4 cpu.cores 6",
                "cpu.pinning - cpu.pinning [1, 2]",
                "a 1 a -",
                "tpm { state = \"x\" } tpm -"
            ]
        );
        assert_eq!(found(was, was), [""; 0]);
    }

    #[test]
    fn an_entry_that_goes_does_not_change_those_behind_it() {
        let was = "[[usb]]\nid = 1\n[[usb]]\nid = 2\n[[usb]]\nid = 3\n";
        assert_eq!(found("", "[[usb]]\nid = 1\n"), ["usb[0] - usb[0] { id = 1 }"]);
        assert_eq!(found(was, "[[usb]]\nid = 2\n[[usb]]\nid = 3\n"), ["usb[0] { id = 1 } usb[0] -"]);
        let is = "[[usb]]\nid = 2\n[[usb]]\nid = 3\nserial = 4\n[[usb]]\nid = 5\n";
        assert_eq!(
            found(was, is),
            ["usb[0] { id = 1 } usb[0] -", "usb[2].serial - usb[1].serial 4", "usb[2] - usb[2] { id = 5 }"]
        );
        let (was, is) = ("hook = [{ run = 'a' }, { run = \"a\\nb\" }]", "hook = [{ run = 'a' }, { run = \"a\\nc\" }]");
        assert_eq!(found(was, is), ["hook[1].run \"\"\"\na\nb\"\"\" hook[1].run \"\"\"\na\nc\"\"\""]);
    }
}
