//! What a run left that died before it could put the host back.

use super::{GRACE, Lease, Unrestored};
use crate::apply::claim::claim;
use crate::apply::journal::{Damage, Entry, Journal};
use crate::apply::step::Ground;
use crate::apply::{ApplyError, Record};
use crate::host::Root;
use crate::process::{ProcessId, bearing};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

/// The variable that tells a companion its own name.
pub const SERVICE_VARIABLE: &str = "VMRUN_SERVICE";

/// How long the kernel may take to close what a QEMU had open, which it does one after the other: the lock may be free
/// seconds before the card, and the memory that the card could write to. One that hangs in the kernel keeps its devices, and
/// whatever is undone of them tells so.
pub const CLOSING: Duration = Duration::from_secs(30);

/// What was found of a dead run, and what could not be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// What was in its journal.
    pub found: Record,
    /// What still is.
    pub left: Vec<Unrestored>,
}

/// What [`recover`] would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Whether it is of another boot of the machine; then nothing of it is left.
    pub void: bool,
    /// The hooks that run still and would be ended, with their pids.
    pub hooks: Vec<(String, u32)>,
    /// The companions that would be ended, in order, with their pids.
    pub companions: Vec<(String, u32)>,
    /// What would be done on the host, in order, as one would type it.
    pub steps: Vec<String>,
}

/// Puts back what a run left that died before it could: ends its hooks and companions, undoes its changes. Changes of an earlier
/// boot are void. `None` when there was no journal.
///
/// Safe to be repeated and to be killed: what is done is written down. What another guest has by now is left to it, and
/// stays in the journal.
///
/// The caller holds the [`crate::apply::Instance`] of `dir`, so QEMU has let go of its lock, and is on its way out if it is
/// there at all.
///
/// # Errors
/// When the journal cannot be used, or not be written.
pub async fn recover(root: Root, dir: &Path, boot_id: &str, damage: Damage) -> Result<Option<Recovered>, ApplyError> {
    let Some(mut journal) = Journal::load(dir, damage)? else { return Ok(None) };
    if journal.record().boot_id != boot_id {
        return Ok(Some(Recovered { found: journal.record().clone(), left: Vec::new() }));
    }
    note_strays(&mut journal)?;
    let found = journal.record().clone();
    if let Some(qemu) = found.qemu {
        qemu.ended_within(CLOSING).await;
    }
    // What one that runs still does would be done after it was taken back.
    end_hooks(&mut journal).await?;
    for (name, process) in found.companions.iter().rev() {
        process.stop_recorded(GRACE).await;
        journal.add(Entry::Companion { name: name.clone(), process: None })?;
    }
    let (mut locks, mut taken) = (Vec::new(), Vec::new());
    for bdf in found.devices() {
        match claim(dir, &found.name, bdf) {
            Ok(lock) => locks.push(lock),
            Err(ApplyError::Busy(why)) => taken.push((bdf, why)),
            Err(error) => return Err(error),
        }
    }
    let lease = Lease {
        ground: Ground::real(root),
        journal: RefCell::new(journal),
        claims: RefCell::new(locks),
        may_hang: Cell::new(true),
        under_way: RefCell::default(),
    };
    let left = lease.undo_but(&taken).await;
    Ok(Some(Recovered { found, left }))
}

/// Notes the companions that were started by a vmrun that was killed before it could note them: of each the oldest
/// process, as what it started bears its name too.
pub(super) fn note_strays(journal: &mut Journal) -> Result<(), ApplyError> {
    for (name, process) in bearing("VMRUN_RUN_DIR", journal.dir().as_os_str(), SERVICE_VARIABLE) {
        let lives = |(other, noted): &(String, ProcessId)| *other == name && noted.is_alive();
        if !journal.record().companions.iter().any(lives) {
            journal.add(Entry::Companion { name, process: Some(process) })?;
        }
    }
    Ok(())
}

/// Ends the hooks that were running when their vmrun died.
pub(super) async fn end_hooks(journal: &mut Journal) -> Result<(), ApplyError> {
    for (_, process) in journal.record().hooks.clone() {
        process.stop_recorded(GRACE).await;
        journal.add(Entry::HookEnded { process })?;
    }
    Ok(())
}

/// What [`recover`] would do, for one who only asks. `None` when there is no journal.
///
/// # Errors
/// When the journal cannot be used.
pub fn owed(dir: &Path, boot_id: &str, damage: Damage) -> Result<Option<Owed>, ApplyError> {
    let Some(journal) = Journal::load(dir, damage)? else { return Ok(None) };
    let found = journal.record();
    if found.boot_id != boot_id {
        return Ok(Some(Owed { void: true, hooks: Vec::new(), companions: Vec::new(), steps: Vec::new() }));
    }
    let alive = |(name, process): &(String, ProcessId)| process.is_alive().then(|| (name.clone(), process.pid));
    let steps = found.changes.iter().rev().flat_map(|(_, change)| change.inverse().steps());
    Ok(Some(Owed {
        void: false,
        hooks: found.hooks.iter().filter_map(alive).collect(),
        companions: found.companions.iter().rev().filter_map(alive).collect(),
        steps: steps.map(|step| step.to_string()).collect(),
    }))
}
