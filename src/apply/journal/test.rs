//! What was written is what is read, whatever became of the file.

use super::{Damage, Entry, FILE, Journal};
use crate::plan::Change;
use crate::unit::{GuestName, Size};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn journal(dir: &Path) -> Journal {
    Journal::new(dir, GuestName::try_from("Windows".to_owned()).unwrap(), "boot".into())
}

fn change(node: u32) -> Change {
    Change::HugePages { node, size: Size::from_bytes(2 << 20), pages: 4, take: 4, drop_caches: false }
}

fn intend(journal: &mut Journal, node: u32) {
    let entry = journal.record().intent(&change(node));
    journal.add(entry).unwrap();
}

fn nodes(journal: &Journal) -> Vec<u32> {
    let node = |change: &Change| match change {
        Change::HugePages { node, .. } => *node,
        _ => panic!("{change:?}"),
    };
    journal.record().changes.iter().map(|(_, change)| node(change)).collect()
}

fn load(dir: &Path) -> Journal {
    Journal::load(dir, Damage::Refuse).unwrap().unwrap()
}

#[test]
fn what_was_added_is_what_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Journal::load(dir.path(), Damage::Refuse).unwrap().is_none());
    let mut journal = journal(dir.path());
    (0..3).for_each(|node| intend(&mut journal, node));
    journal.add(Entry::Undone { number: 2 }).unwrap();
    assert_eq!(nodes(&journal), [0, 2]);
    assert_eq!(load(dir.path()).record(), journal.record());
    let meta = fs::metadata(dir.path().join(FILE)).unwrap();
    assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (64 << 10, 0o600));
}

#[test]
fn row_073_what_was_cut_short_is_passed_over_and_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    intend(&mut journal, 0);
    let short = usize::try_from(journal.end).unwrap();
    intend(&mut journal, 1);
    let whole = fs::read(dir.path().join(FILE)).unwrap();
    let end = usize::try_from(journal.end).unwrap();
    for cut in short..end {
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        let mut found = load(dir.path());
        assert_eq!(nodes(&found), [0], "{cut}");
        // Shorter than what stands there.
        found.add(Entry::Undone { number: 1 }).unwrap();
        intend(&mut found, 7);
        assert_eq!(nodes(&load(dir.path())), [7], "{cut}");
    }
}

#[test]
fn row_073_damage_is_refused_with_what_can_be_read_unless_that_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    intend(&mut journal, 0);
    let at = usize::try_from(journal.end).unwrap() + 30;
    (1..3).for_each(|node| intend(&mut journal, node));
    let mut bytes = fs::read(dir.path().join(FILE)).unwrap();
    bytes[at] ^= 1;
    fs::write(dir.path().join(FILE), &bytes).unwrap();
    let error = Journal::load(dir.path(), Damage::Refuse).unwrap_err().to_string();
    assert!(error.contains("it is damaged") && error.contains("node2/hugepages"), "{error}");
    assert!(error.contains("vmrun recover Windows --force"), "{error}");
    assert_eq!(nodes(&Journal::load(dir.path(), Damage::PassOver).unwrap().unwrap()), [0, 2]);
}

#[test]
fn row_073_a_newer_or_empty_journal_is_not_touched_by_any_means() {
    let dir = tempfile::tempdir().unwrap();
    let newer = br#"{"begun":{"version":2,"name":"Windows","boot_id":"boot","more":1}}"#;
    for bytes in [super::frame::line(newer).unwrap(), vec![0; 100], b"{".to_vec(), Vec::new()] {
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        for damage in [Damage::Refuse, Damage::PassOver] {
            assert!(Journal::load(dir.path(), damage).is_err(), "{bytes:?}");
        }
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), bytes);
    }
}

#[test]
fn the_last_number_that_there_is_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    journal.add(Entry::Intent { number: u64::MAX, change: change(0) }).unwrap();
    intend(&mut journal, 1);
    assert_eq!(nodes(&load(dir.path())), [0, 1]);
}
