//! Proof that the host was changed; it must be undone.

mod make;
mod recover;
mod single;
#[cfg(test)]
mod test;
mod undo;

pub use make::make_all;
pub use recover::{CLOSING, Owed, Recovered, SERVICE_VARIABLE, owed, recover};

use super::claim::{Claimed, claim};
use super::journal::{Damage, Entry, Journal};
use super::pool::{self, Place};
use super::step::Ground;
use super::{ApplyError, Record};
use crate::host::Root;
use crate::plan::{Change, Step};
use crate::process::ProcessId;
use crate::unit::{Bdf, GuestName};
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The changes that one run made. Not undone by `Drop`, which could neither wait nor report, and never runs on SIGKILL:
/// then the journal tells [`recover`] what to do.
#[must_use = "what was changed must be put back: call undo"]
#[derive(Debug)]
pub struct Lease {
    ground: Ground,
    /// Borrowed only for an edit, never across an await: companions are noted while a change is made.
    journal: RefCell<Journal>,
    /// Whether a helper may hang that was told to write: one of this run did, or one of the run before may.
    may_hang: Cell<bool>,
    /// Locks of the devices that are the guest's alone.
    claims: RefCell<Vec<Claimed>>,
    /// Steps that the host is at, of those that put it back.
    under_way: RefCell<Vec<Step>>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was made, and will be undone.
    Now,
    /// The host was like that before, and will stay so.
    Already,
}

/// A change that could not be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unrestored {
    /// What should have been done, as one would type it.
    pub step: String,
    /// Why it could not be.
    pub why: String,
}

impl Lease {
    /// A lease of guest `name` without changes, its journal in the run folder `dir`.
    pub fn new(root: Root, dir: &Path, name: GuestName, boot_id: String) -> Self {
        Self {
            ground: Ground::real(root),
            journal: RefCell::new(Journal::new(dir, name, boot_id)),
            claims: RefCell::default(),
            may_hang: Cell::new(false),
            under_way: RefCell::default(),
        }
    }

    /// A lease on another ground than the real host.
    #[cfg(test)]
    pub(super) fn on(ground: Ground, journal: Journal) -> Self {
        Self {
            ground,
            journal: RefCell::new(journal),
            claims: RefCell::default(),
            may_hang: Cell::new(true),
            under_way: RefCell::default(),
        }
    }

    /// Makes the journal, with its room on the disk, before anything has to be written there.
    ///
    /// # Errors
    /// When it cannot be made; nothing must be changed then.
    pub fn begin(&self) -> Result<(), ApplyError> {
        self.journal.borrow_mut().begin()
    }

    /// Whether there is a journal: without it nothing was done.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.journal.borrow().has_begun()
    }

    /// Claims those of `devices` for this guest that it does not hold yet, before any of them is touched.
    ///
    /// # Errors
    /// [`ApplyError::Busy`] when another guest has one of them; none is claimed then.
    pub fn claim_devices(&self, devices: &[Bdf]) -> Result<(), ApplyError> {
        let claims: Vec<_> = self.without_claim(devices).map(|bdf| self.claim_one(bdf)).collect::<Result<_, _>>()?;
        self.claims.borrow_mut().extend(claims);
        Ok(())
    }

    fn without_claim(&self, devices: &[Bdf]) -> impl Iterator<Item = Bdf> {
        devices.iter().copied().filter(|bdf| self.claims.borrow().iter().all(|claimed| claimed.bdf != *bdf))
    }

    fn claim_one(&self, bdf: Bdf) -> Result<Claimed, ApplyError> {
        let journal = self.journal.borrow();
        claim(journal.dir(), &journal.record().name, bdf)
    }

    /// Descriptors of the claims for QEMU to inherit, so that they last as long as it does.
    ///
    /// # Errors
    /// When one cannot be duplicated.
    pub fn locks(&self) -> Result<Vec<OwnedFd>, ApplyError> {
        let clone = |claimed: &Claimed| claimed.lock.try_clone().map(OwnedFd::from);
        let locks = self.claims.borrow().iter().map(clone).collect::<Result<_, _>>();
        locks.map_err(ApplyError::io("duplicate", "the lock of a device"))
    }

    /// The lease of a run whose supervisor was killed while the guest ran, from the journal in `dir`. A hook that was
    /// running goes with that supervisor.
    ///
    /// # Errors
    /// When the journal is not there or cannot be used, or is of another boot.
    pub async fn resume(root: Root, dir: &Path, boot_id: &str) -> Result<Self, ApplyError> {
        let missing = || ApplyError::Refused(format!("there is no journal in {}", dir.display()));
        let mut journal = Journal::load(dir, Damage::Refuse)?.ok_or_else(missing)?;
        if journal.record().boot_id != boot_id {
            return Err(ApplyError::Refused("its journal is of another boot of the machine".into()));
        }
        recover::note_strays(&mut journal)?;
        recover::end_hooks(&mut journal).await?;
        Ok(Self {
            ground: Ground::real(root),
            journal: RefCell::new(journal),
            claims: RefCell::default(),
            may_hang: Cell::new(true),
            under_way: RefCell::default(),
        })
    }

    /// What is written down of the run.
    #[must_use]
    pub fn record(&self) -> Record {
        self.journal.borrow().record().clone()
    }

    /// Notes that QEMU has the huge pages that were claimed for it: from now on the kernel counts them.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn pages_taken(&self) -> Result<(), ApplyError> {
        pool::taken(&self.place()).await
    }

    /// Below which the host is changed.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.ground.root
    }

    /// The run folder, and the boot whose journals count.
    fn shares(&self) -> (PathBuf, String) {
        let journal = self.journal.borrow();
        (journal.dir().to_owned(), journal.record().boot_id.clone())
    }

    fn place(&self) -> Place {
        Place { root: self.ground.root.clone(), dir: self.journal.borrow().dir().to_owned() }
    }

    /// Writes `change` to the journal, for somebody who is about to make it.
    ///
    /// # Errors
    /// When the journal cannot be written; the change must not be made then.
    pub fn note(&self, change: &Change) -> Result<(), ApplyError> {
        let intent = self.journal.borrow().record().intent(change);
        self.add(intent)
    }

    /// Takes the last `change` like this out of the journal, because it did not happen.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn forget(&self, change: &Change) -> Result<(), ApplyError> {
        let noted = |(number, noted): &(u64, Change)| (noted == change).then_some(*number);
        let number = self.journal.borrow().record().changes.iter().rev().find_map(noted);
        number.map_or(Ok(()), |number| self.add(Entry::Undone { number }))
    }

    fn add(&self, entry: Entry) -> Result<(), ApplyError> {
        self.journal.borrow_mut().add(entry)
    }

    /// Writes down which process is QEMU.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_qemu(&self, qemu: Option<ProcessId>) -> Result<(), ApplyError> {
        self.add(Entry::Qemu(qemu))
    }

    /// Waits until the QEMU that was written down is gone, ending it when it is not: only then may anything be undone
    /// that it holds.
    pub async fn qemu_gone(&self) {
        let qemu = self.journal.borrow().record().qemu;
        if let Some(qemu) = qemu {
            qemu.stop_recorded(GRACE).await;
        }
    }

    /// Writes down which process is the companion `name`; `None` when it has ended.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_companion(&self, name: &str, process: Option<ProcessId>) -> Result<(), ApplyError> {
        self.add(Entry::Companion { name: name.to_owned(), process })
    }

    /// Writes down that the hook `name` runs as `process`.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_hook(&self, name: &str, process: ProcessId) -> Result<(), ApplyError> {
        self.add(Entry::Hook { name: name.to_owned(), process })
    }

    /// Writes down that the hook which ran as `process` has ended.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn hook_ended(&self, process: ProcessId) -> Result<(), ApplyError> {
        self.add(Entry::HookEnded { process })
    }

    /// What is being put back just now, as one would type it.
    #[must_use]
    pub fn under_way(&self) -> Vec<String> {
        self.under_way.borrow().iter().map(ToString::to_string).collect()
    }

    /// Whether there is anything to put back.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.journal.borrow().record().changes.is_empty()
    }
}

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
