//! Any bytes as a journal: it is read or refused, and what is added to one that was read stands in it afterwards.

use std::fs;
use std::sync::LazyLock;
use tempfile::TempDir;
use vmrun::apply::{Damage, Entry, Journal};

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir_in("/dev/shm").expect("a folder in memory"));

pub(crate) fn run(bytes: &[u8]) {
    let dir = FOLDER.path();
    fs::write(dir.join("journal"), bytes).expect("a file");
    let strict = Journal::load(dir, Damage::Refuse);
    let Ok(Some(mut journal)) = Journal::load(dir, Damage::PassOver) else {
        assert!(strict.is_err(), "what can be followed can be read");
        return;
    };
    let steps: usize = journal.record().changes.iter().map(|(_, change)| change.inverse().steps().len()).sum();
    assert!(steps <= bytes.len());
    let before = journal.record().clone();
    journal.add(Entry::Companion { name: "fuzz".into(), process: None }).expect("room");
    let after = Journal::load(dir, Damage::PassOver).expect("it is a journal still").expect("it is there");
    assert_eq!(after.record().changes, before.changes);
    assert_eq!(after.record(), journal.record());
}
