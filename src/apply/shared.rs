//! Values of the kernel that are every guest's: the last one that wants them so puts them back.
//!
//! Each guest has such a value in its own journal, the state before included, also when it found it as it wanted it. So
//! who ends looks into the journals of those that live: with one that wants the same there is nothing to put back, and
//! the state before stands there too. One lock makes sure that two do not look at each other.

use super::journal::{Damage, Journal};
use super::{ApplyError, Standing, standing};
use crate::plan::Change;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::path::Path;

/// Holds the folder of all runs, so that only one of them makes or takes back such a change at a time.
pub(super) async fn lock(dir: &Path) -> Result<Flock<File>, ApplyError> {
    let path = dir.parent().unwrap_or(dir).to_owned();
    let work = tokio::task::spawn_blocking(move || {
        let folder = File::open(&path).map_err(ApplyError::io("open", &path))?;
        Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, errno)| ApplyError::io("lock", &path)(errno.into()))
    });
    work.await.unwrap_or_else(|error| Err(ApplyError::Refused(format!("internal error: {error}"))))
}

/// The value before the first of the guests beside `dir` that live and have changed `path`; `None` when there is none.
pub(super) fn before_others(dir: &Path, path: &str) -> Option<String> {
    let siblings = fs::read_dir(dir.parent()?).ok()?.flatten().map(|entry| entry.path());
    let lives = |other: &std::path::PathBuf| matches!(standing(other), Standing::Running | Standing::Orphan);
    let journals = siblings
        .filter(|other| other != dir && lives(other))
        .filter_map(|other| Journal::load(&other, Damage::PassOver).ok()?);
    let mut changes = journals.flat_map(|journal| journal.record().changes.clone());
    let before = |(_, change): (u64, Change)| match change {
        Change::Shared { path: theirs, from, .. } if theirs == path => Some(from),
        _ => None,
    };
    changes.find_map(before)
}
