//! Proof that the host was changed; it must be undone.

mod recover;
mod single;
#[cfg(test)]
mod test;

pub use recover::{Owed, Recovered, SERVICE_VARIABLE, owed, recover};

use super::claim::{Claimed, claim};
use super::fault::{Point, at, at_what};
use super::journal::{Damage, Entry, Journal};
use super::pool::{self, Claim, Place};
use super::step::{Ground, hanging, holds, owner, perform};
use super::{ApplyError, Record, shared};
use crate::host::Root;
use crate::plan::{Change, Step};
use crate::process::ProcessId;
use crate::unit::{Bdf, GuestName, Size};
use nix::fcntl::Flock;
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::fs::File;
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
    /// Locks of the devices that are the guest's alone.
    /// Whether a helper may hang that was told to write: one of this run did, or one of the run before may.
    may_hang: Cell<bool>,
    claims: RefCell<Vec<Claimed>>,
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
        }
    }

    /// A lease on another ground than the real host.
    #[cfg(test)]
    pub(super) fn on(ground: Ground, journal: Journal) -> Self {
        Self { ground, journal: RefCell::new(journal), claims: RefCell::default(), may_hang: Cell::new(true) }
    }

    /// Makes the journal, with its room on the disk, before anything has to be written there.
    ///
    /// # Errors
    /// When it cannot be made; nothing must be changed then.
    pub fn begin(&self) -> Result<(), ApplyError> {
        self.journal.borrow_mut().begin()
    }

    /// Claims `devices` for this guest, before any of them is touched.
    ///
    /// # Errors
    /// [`ApplyError::Busy`] when another guest has one of them; none is claimed then.
    pub fn claim_devices(&self, devices: &[Bdf]) -> Result<(), ApplyError> {
        let journal = self.journal.borrow();
        let claims = devices.iter().map(|bdf| claim(journal.dir(), &journal.record().name, *bdf));
        let claims: Vec<_> = claims.collect::<Result<_, _>>()?;
        self.claims.borrow_mut().extend(claims);
        Ok(())
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

    /// The lease of a run whose supervisor was killed while the guest ran, from the journal in `dir`.
    ///
    /// # Errors
    /// When the journal is not there or cannot be used, or is of another boot.
    pub fn resume(root: Root, dir: &Path, boot_id: &str) -> Result<Self, ApplyError> {
        let missing = || ApplyError::Refused(format!("there is no journal in {}", dir.display()));
        let mut journal = Journal::load(dir, Damage::Refuse)?.ok_or_else(missing)?;
        if journal.record().boot_id != boot_id {
            return Err(ApplyError::Refused("its journal is of another boot of the machine".into()));
        }
        recover::note_strays(&mut journal)?;
        Ok(Self {
            ground: Ground::real(root),
            journal: RefCell::new(journal),
            claims: RefCell::default(),
            may_hang: Cell::new(true),
        })
    }

    /// What is written down of the run.
    #[must_use]
    pub fn record(&self) -> Record {
        self.journal.borrow().record().clone()
    }

    /// Makes `change`: into the journal first, then on the host.
    ///
    /// # Errors
    /// When the host refuses. Nothing of the change remains then, or it stays in the journal for [`Self::undo`].
    pub async fn make(&self, change: &Change) -> Result<Made, ApplyError> {
        if let Change::HugePages { node, size, take, drop_caches, .. } = *change {
            change.steps().iter().try_for_each(|step| at_what(Point::Step, step))?;
            let made = self.claim(Claim { node, size, take, drop_caches }).await?;
            change.steps().iter().try_for_each(|_| at(Point::StepDone))?;
            return Ok(made);
        }
        if let Change::Shared { path, from, to } = change {
            let (dir, boot_id) = self.shares();
            let _lock = shared::lock(&dir).await?;
            shared::not_otherwise(&self.ground.root, (&dir, &boot_id), path, to)?;
            let from = shared::origin(&dir, &boot_id, path).unwrap_or_else(|| from.clone());
            return self.make_own(&Change::Shared { path: path.clone(), from, to: to.clone() }).await;
        }
        if let Change::Gather { .. } = change {
            let _lock = shared::lock(&self.shares().0).await?;
            return self.make_own(change).await;
        }
        if let Change::Owner { path, from: _, to } = change {
            // Only now the node is there for certain, and says whose it is.
            let change = owner(&self.ground, path).filter(|(_, now)| now != to);
            let Some((_, from)) = change else { return Ok(Made::Already) };
            return self.make_own(&Change::Owner { path: path.clone(), from, to: *to }).await;
        }
        if let Some(test) = change.already()
            && holds(&test).await
        {
            return Ok(Made::Already);
        }
        self.make_own(change).await
    }

    async fn make_own(&self, change: &Change) -> Result<Made, ApplyError> {
        self.note(change)?;
        for (number, step) in change.steps().iter().enumerate() {
            if let Err(error) = self.go(step).await {
                self.may_hang.set(self.may_hang.get() || matches!(error, ApplyError::Stuck(_)));
                self.give_up(change, number, &error).await?;
                return Err(error);
            }
        }
        Ok(Made::Now)
    }

    async fn go(&self, step: &Step) -> Result<(), ApplyError> {
        at_what(Point::Step, step)?;
        perform(&self.ground, step).await?;
        at(Point::StepDone)
    }

    /// Sees that the guest finds its huge pages. How many have to be added is seen only now: another guest may have
    /// taken some since the plan was made, or given some back.
    async fn claim(&self, claim: Claim) -> Result<Made, ApplyError> {
        let mut noted = None;
        let note = |change: &Change| {
            noted = Some(change.clone());
            self.note(change)
        };
        match pool::claim(&self.place(), claim, note).await {
            Ok(true) => Ok(Made::Now),
            Ok(false) => Ok(Made::Already),
            Err(error) => {
                noted.map_or(Ok(()), |change| self.forget(&change))?;
                Err(error)
            }
        }
    }

    /// Notes that QEMU has the huge pages that were claimed for it: from now on the kernel counts them.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn pages_taken(&self) -> Result<(), ApplyError> {
        pool::taken(&self.place()).await
    }

    /// Gives all huge pages back, because they were not enough.
    ///
    /// # Errors
    /// With what could not be given back; it stays in the journal.
    pub async fn give_pages_back(&self) -> Result<(), Unrestored> {
        let changes = self.journal.borrow().record().changes.clone();
        for (number, change) in changes.iter().rev().filter(|(_, change)| matches!(change, Change::HugePages { .. })) {
            self.take_back(change).await?;
            self.add(Entry::Undone { number: *number }).map_err(|error| unrestored("rm journal", &error))?;
        }
        pool::drop_claims(&self.place()).await.map_err(|error| unrestored("rm claims", &error))
    }

    /// Takes the node at `path` back from the user that it was handed to, because the guest has let go of it.
    ///
    /// # Errors
    /// With what could not be done; it stays in the journal.
    pub async fn hand_back(&self, path: &str) -> Result<(), Unrestored> {
        let changes = self.journal.borrow().record().changes.clone();
        let theirs = |change: &Change| matches!(change, Change::Owner { path: node, .. } if node == path);
        for (number, change) in changes.iter().rev().filter(|(_, change)| theirs(change)) {
            self.take_back(change).await?;
            self.add(Entry::Undone { number: *number }).map_err(|error| unrestored("rm journal", &error))?;
        }
        Ok(())
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

    /// Takes back the steps of `change` before the one with this number, which failed. What cannot be taken back stays
    /// in the journal.
    async fn give_up(&self, change: &Change, number: usize, error: &ApplyError) -> Result<(), ApplyError> {
        let nothing_done = number == 0 && !matches!(error, ApplyError::Stuck(_));
        let undone = nothing_done || (!matches!(error, ApplyError::Stuck(_)) && self.take_back(change).await.is_ok());
        if undone { self.forget(change) } else { Ok(()) }
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

    /// Whether there is anything to put back.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.journal.borrow().record().changes.is_empty()
    }

    /// Puts the host back, last change first. One that fails does not keep the others from being put back; it stays
    /// in the journal.
    pub async fn undo(&self) -> Vec<Unrestored> {
        self.undo_but(&[]).await
    }

    /// As [`Self::undo`], but leaves what was changed of the functions in `taken`, with the reasons, to who has them.
    async fn undo_but(&self, taken: &[(Bdf, String)]) -> Vec<Unrestored> {
        let mut failed = Vec::new();
        let changes = self.journal.borrow().record().changes.clone();
        for (number, change) in changes.iter().rev() {
            if let Err(hung) = self.come_back(change) {
                failed.push(hung);
                continue;
            }
            let noted = match self.turn(change).await {
                Ok(_turn) => match taken.iter().find(|(bdf, _)| change.device() == Some(*bdf)) {
                    Some((_, why)) => Err(left_to(change, why)),
                    None => self.take_back(change).await,
                }
                .and_then(|()| {
                    self.add(Entry::Undone { number: *number }).map_err(|error| unrestored("rm journal", &error))
                }),
                Err(error) => Err(unrestored("lock the folder of the runs", &error)),
            };
            failed.extend(noted.err());
        }
        failed.reverse();
        failed.extend(self.settle().await);
        failed
    }

    /// Whether a helper hangs over what `change` touches: then that is left alone, or vmrun would hang too.
    fn come_back(&self, change: &Change) -> Result<(), Unrestored> {
        let Some(bdf) = change.touches().filter(|_| self.may_hang.get()) else { return Ok(()) };
        let Some((pid, file)) = hanging(&self.ground.root, bdf) else { return Ok(()) };
        let why =
            format!("process {pid} still hangs in the kernel, writing to {file}; recover again when it has ended");
        Err(left_to(change, &why))
    }

    /// Leaves the pools that the journal says nothing of: nothing was added for this guest there, but one that ended
    /// meanwhile may have left it pages to give back.
    async fn settle(&self) -> Vec<Unrestored> {
        let left = self.journal.borrow().record().changes.clone();
        let noted = |pool: (u32, Size)| {
            left.iter()
                .any(|(_, change)| matches!(change, Change::HugePages { node, size, .. } if (*node, *size) == pool))
        };
        let mut failed = Vec::new();
        for (node, size) in pool::shared(&self.place()).into_iter().filter(|pool| !noted(*pool)) {
            if let Err(error) = pool::give_back(&self.place(), node, size, 0).await {
                failed.push(unrestored("give huge pages back", &error));
            }
        }
        failed
    }

    /// The turn to take `change` back, where others have to wait; held until the journal does not say any more that
    /// this guest wants it.
    async fn turn(&self, change: &Change) -> Result<Option<Flock<File>>, ApplyError> {
        match change {
            Change::Shared { .. } | Change::Gather { .. } => shared::lock(&self.place().dir).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn take_back(&self, change: &Change) -> Result<(), Unrestored> {
        let failed = |step: &Step, error: &ApplyError| unrestored(step.to_string(), error);
        let steps = change.inverse().steps();
        if let Change::HugePages { node, size, pages, .. } = change {
            let Some(step) = steps.first() else { return Ok(()) };
            let given = async {
                at_what(Point::Undo, step)?;
                pool::give_back(&self.place(), *node, *size, pages.unsigned_abs()).await?;
                at(Point::UndoDone)
            };
            return given.await.map_err(|error| failed(step, &error));
        }
        if let Change::Shared { path, from, to } = change {
            let (dir, boot_id) = self.shares();
            if shared::wanted_by_others(&dir, &boot_id, path) {
                return Ok(());
            }
            if let Some(found) = shared::overruled(&self.ground.root, path, [from, to]) {
                tracing::warn!(path, found, "left as somebody has set it while the guest ran");
                return Ok(());
            }
        }
        for step in &steps {
            let done = async {
                at_what(Point::Undo, step)?;
                perform(&self.ground, step).await?;
                at(Point::UndoDone)
            };
            done.await.map_err(|error| {
                self.may_hang.set(self.may_hang.get() || matches!(error, ApplyError::Stuck(_)));
                failed(step, &error)
            })?;
        }
        Ok(())
    }
}

fn unrestored(step: impl Into<String>, error: &ApplyError) -> Unrestored {
    let reason = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Unrestored { step: step.into(), why: format!("{error}{reason}") }
}

fn left_to(change: &Change, why: &str) -> Unrestored {
    let steps = change.inverse().steps();
    Unrestored { step: steps.first().map(ToString::to_string).unwrap_or_default(), why: why.to_owned() }
}

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
