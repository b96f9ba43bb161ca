//! Proof that the host was changed; it must be undone.

use super::claim::claim;
use super::fault::Faults;
use super::journal::Journal;
use super::pool::{self, Claim, Place};
use super::step::{Ground, holds, perform};
use super::{ApplyError, Record, shared};
use crate::host::Root;
use crate::plan::{Change, Step};
use crate::process::ProcessId;
use crate::unit::{Bdf, GuestName, Size};
use serde::Serialize;
use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
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
    claims: RefCell<Vec<File>>,
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
        }
    }

    /// A lease on another ground than the real host.
    #[cfg(test)]
    pub(super) fn on(ground: Ground, journal: Journal) -> Self {
        Self { ground, journal: RefCell::new(journal), claims: RefCell::default() }
    }

    /// Claims `devices` for this guest, before any of them is touched.
    ///
    /// # Errors
    /// [`ApplyError::Busy`] when another guest has one of them; none is claimed then.
    pub fn claim_devices(&self, devices: &[Bdf]) -> Result<(), ApplyError> {
        let journal = self.journal.borrow();
        let claims = devices.iter().map(|bdf| claim(journal.dir(), &journal.record().name, *bdf));
        *self.claims.borrow_mut() = claims.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Descriptors of the claims for QEMU to inherit, so that they last as long as it does.
    ///
    /// # Errors
    /// When one cannot be duplicated.
    pub fn locks(&self) -> Result<Vec<OwnedFd>, ApplyError> {
        let clone = |file: &File| file.try_clone().map(OwnedFd::from);
        let locks = self.claims.borrow().iter().map(clone).collect::<Result<_, _>>();
        locks.map_err(ApplyError::io("duplicate", "the lock of a device"))
    }

    /// The lease of a run whose supervisor was killed while the guest ran, from the journal in `dir`.
    ///
    /// # Errors
    /// When the journal is not there or cannot be used, or is of another boot.
    pub fn resume(root: Root, dir: &Path, boot_id: &str) -> Result<Self, ApplyError> {
        let missing = || ApplyError::Refused(format!("there is no journal in {}", dir.display()));
        let journal = Journal::load(dir)?.ok_or_else(missing)?;
        if journal.record().boot_id != boot_id {
            return Err(ApplyError::Refused("its journal is of another boot of the machine".into()));
        }
        Ok(Self { ground: Ground::real(root), journal: RefCell::new(journal), claims: RefCell::default() })
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
            let faults = Faults::of_process();
            change.steps().iter().try_for_each(|step| faults.before(step))?;
            let made = self.claim(Claim { node, size, take, drop_caches }).await?;
            change.steps().iter().for_each(|_| faults.after());
            return Ok(made);
        }
        if let Change::Shared { path, from, to } = change {
            let dir = self.place().dir;
            let _lock = shared::lock(&dir).await?;
            let from = shared::before_others(&dir, path).unwrap_or_else(|| from.clone());
            return self.make_own(&Change::Shared { path: path.clone(), from, to: to.clone() }).await;
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
                self.give_up(change, number, &error).await?;
                return Err(error);
            }
        }
        Ok(Made::Now)
    }

    async fn go(&self, step: &Step) -> Result<(), ApplyError> {
        let faults = Faults::of_process();
        faults.before(step)?;
        perform(&self.ground, step).await?;
        faults.after();
        Ok(())
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
        for change in changes.iter().rev().filter(|change| matches!(change, Change::HugePages { .. })) {
            self.take_back(change).await?;
            self.forget(change).map_err(|error| unrestored("rm journal", &error))?;
        }
        pool::drop_claims(&self.place()).await.map_err(|error| unrestored("rm claims", &error))
    }

    /// Below which the host is changed.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.ground.root
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
        self.journal.borrow_mut().edit(|record| record.changes.push(change.clone()))
    }

    /// Takes the last `change` like this out of the journal, because it did not happen.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn forget(&self, change: &Change) -> Result<(), ApplyError> {
        self.journal.borrow_mut().edit(|record| {
            if let Some(at) = record.changes.iter().rposition(|noted| noted == change) {
                record.changes.remove(at);
            }
        })
    }

    /// Writes down which process is QEMU.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_qemu(&self, qemu: Option<ProcessId>) -> Result<(), ApplyError> {
        self.journal.borrow_mut().edit(|record| record.qemu = qemu)
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
        self.journal.borrow_mut().edit(|record| {
            record.companions.retain(|(noted, _)| noted != name);
            record.companions.extend(process.map(|process| (name.to_owned(), process)));
        })
    }

    /// Whether there is anything to put back.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.journal.borrow().record().changes.is_empty()
    }

    /// Puts the host back, last change first. One that fails does not keep the others from being put back; it stays
    /// in the journal.
    pub async fn undo(&self) -> Vec<Unrestored> {
        let mut failed = Vec::new();
        let changes = self.journal.borrow().record().changes.clone();
        for (at, change) in changes.iter().enumerate().rev() {
            // Held until the journal does not say any more that this guest wants it.
            let turn = match change {
                Change::Shared { .. } => shared::lock(&self.place().dir).await.map(Some),
                _ => Ok(None),
            };
            let taken_back = match &turn {
                Ok(_) => self.take_back(change).await,
                Err(error) => Err(unrestored("lock the folder of the runs", error)),
            };
            match taken_back {
                Ok(()) => {
                    if let Err(error) = self.journal.borrow_mut().edit(|record| drop(record.changes.remove(at))) {
                        failed.push(unrestored("rm journal", &error));
                    }
                }
                Err(left) => failed.push(left),
            }
        }
        failed.reverse();
        failed.extend(self.settle().await);
        failed
    }

    /// Leaves the pools that the journal says nothing of: nothing was added for this guest there, but one that ended
    /// meanwhile may have left it pages to give back.
    async fn settle(&self) -> Vec<Unrestored> {
        let left = self.journal.borrow().record().changes.clone();
        let noted = |pool: (u32, Size)| {
            left.iter().any(|change| matches!(change, Change::HugePages { node, size, .. } if (*node, *size) == pool))
        };
        let mut failed = Vec::new();
        for (node, size) in pool::shared(&self.place()).into_iter().filter(|pool| !noted(*pool)) {
            if let Err(error) = pool::give_back(&self.place(), node, size, 0).await {
                failed.push(unrestored("give huge pages back", &error));
            }
        }
        failed
    }

    async fn take_back(&self, change: &Change) -> Result<(), Unrestored> {
        if let Change::HugePages { node, size, pages, .. } = change {
            let step = || change.inverse().steps().first().map(ToString::to_string).unwrap_or_default();
            let given = pool::give_back(&self.place(), *node, *size, pages.unsigned_abs()).await;
            return given.map_err(|error| unrestored(step(), &error));
        }
        if let Change::Shared { path, .. } = change
            && shared::before_others(&self.place().dir, path).is_some()
        {
            return Ok(());
        }
        for step in change.inverse().steps() {
            perform(&self.ground, &step).await.map_err(|error| unrestored(step.to_string(), &error))?;
        }
        Ok(())
    }
}

fn unrestored(step: impl Into<String>, error: &ApplyError) -> Unrestored {
    let reason = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Unrestored { step: step.into(), why: format!("{error}{reason}") }
}

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Puts back what a run left that died before it could: ends its companions, undoes its changes. Changes of an earlier
/// boot are void. Returns what was found, and what could not be put back; `None` when there was no journal.
///
/// The caller holds the [`super::Instance`] of `dir`, so QEMU is gone.
///
/// # Errors
/// When the journal cannot be used.
pub async fn recover(root: Root, dir: &Path, boot_id: &str) -> Result<Option<(Record, Vec<Unrestored>)>, ApplyError> {
    let Some(mut journal) = Journal::load(dir)? else { return Ok(None) };
    let found = journal.record().clone();
    if found.boot_id != boot_id {
        return Ok(Some((found, Vec::new())));
    }
    for (name, process) in found.companions.iter().rev() {
        process.stop_recorded(GRACE).await;
        journal.edit(|record| record.companions.retain(|(noted, _)| noted != name))?;
    }
    let lease = Lease { ground: Ground::real(root), journal: RefCell::new(journal), claims: RefCell::default() };
    // Another guest may have taken a device over meanwhile; what it has is not taken from under it.
    lease.claim_devices(&found.devices())?;
    let failed = lease.undo().await;
    Ok(Some((found, failed)))
}

#[cfg(test)]
mod test {
    use super::{Lease, Made, recover};
    use crate::host::Root;
    use crate::plan::{Change, Command, UnitState};
    use crate::unit::{GuestName, Size};
    use std::fs;
    use std::path::{Path, PathBuf};

    const POOL: &str = "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";

    struct Ground {
        _keep: tempfile::TempDir,
        root: PathBuf,
        run: PathBuf,
    }

    fn ground() -> Ground {
        let keep = tempfile::tempdir().unwrap();
        let (root, run) = (keep.path().join("root"), keep.path().join("run"));
        fs::create_dir_all(root.join(POOL).parent().unwrap()).unwrap();
        fs::create_dir(&run).unwrap();
        fs::write(root.join(POOL), "3\n").unwrap();
        Ground { _keep: keep, root, run }
    }

    fn lease(ground: &Ground) -> Lease {
        let name = GuestName::try_from("Windows".to_owned()).unwrap();
        Lease::new(Root::at(&ground.root), &ground.run, name, "this boot".into())
    }

    fn pages(pages: i64) -> Change {
        let take = 3 + pages.unsigned_abs();
        Change::HugePages { node: 0, size: Size::from_bytes(2 << 20), pages, take, drop_caches: false }
    }

    fn touch(name: &str, dir: &Path) -> Change {
        let command = |verb: &str| Command {
            argv: vec![verb.to_owned(), dir.join(name).display().to_string()],
            user: None,
            env: [].into(),
            timeout: None,
        };
        Change::Hook { name: name.into(), run: Some(command("touch")), back: Some(command("rm")) }
    }

    fn pool(ground: &Ground) -> String {
        fs::read_to_string(ground.root.join(POOL)).unwrap().trim().to_owned()
    }

    #[tokio::test]
    async fn what_was_made_is_undone_and_the_tree_is_as_it_was() {
        let ground = ground();
        let lease = lease(&ground);
        let there = ground.root.join("there");
        lease.make(&touch("there", &ground.root)).await.unwrap();
        assert_eq!(lease.make(&pages(512)).await.unwrap(), Made::Now);
        assert_eq!((pool(&ground).as_str(), there.exists()), ("515", true));
        assert_eq!(lease.undo().await, []);
        assert_eq!((pool(&ground).as_str(), there.exists()), ("3", false));
    }

    #[tokio::test]
    async fn pages_that_another_guest_took_meanwhile_stay_its_own() {
        let ground = ground();
        let lease = lease(&ground);
        lease.make(&pages(512)).await.unwrap();
        fs::write(ground.root.join(POOL), "1000").unwrap();
        assert_eq!(lease.undo().await, []);
        assert_eq!(pool(&ground), "488");
    }

    #[tokio::test]
    async fn a_failing_undo_does_not_stop_the_others_and_stays_in_the_journal() {
        let ground = ground();
        let lease = lease(&ground);
        lease.make(&pages(512)).await.unwrap();
        lease.make(&touch("gone", &ground.root)).await.unwrap();
        fs::remove_file(ground.root.join("gone")).unwrap();
        let failed = lease.undo().await;
        assert_eq!(failed.len(), 1);
        assert!(failed[0].step.starts_with("rm "), "{failed:?}");
        assert_eq!(pool(&ground), "3");
        let (left, _) = recover(Root::at(&ground.root), &ground.run, "another boot").await.unwrap().unwrap();
        assert_eq!(left.changes, [touch("gone", &ground.root)]);
    }

    #[tokio::test]
    async fn a_run_that_died_is_recovered_once() {
        let ground = ground();
        let dead = lease(&ground);
        dead.make(&pages(512)).await.unwrap();
        drop(dead);
        for _ in 0..2 {
            let (_, failed) = recover(Root::at(&ground.root), &ground.run, "this boot").await.unwrap().unwrap();
            assert_eq!(failed, []);
            assert_eq!(pool(&ground), "3");
        }
    }

    #[tokio::test]
    async fn after_a_reboot_the_changes_are_void() {
        let ground = ground();
        let dead = lease(&ground);
        dead.make(&pages(512)).await.unwrap();
        drop(dead);
        recover(Root::at(&ground.root), &ground.run, "another boot").await.unwrap().unwrap();
        assert_eq!(pool(&ground), "515");
    }

    #[tokio::test]
    async fn a_refused_change_is_not_owed() {
        let ground = ground();
        let lease = lease(&ground);
        let missing =
            Change::HugePages { node: 7, size: Size::from_bytes(2 << 20), pages: 1, take: 1, drop_caches: false };
        assert!(lease.make(&missing).await.is_err());
        let unit =
            Change::Unit { unit: "none.service".into(), user: None, from: UnitState::Inactive, to: UnitState::Active };
        assert!(lease.make(&unit).await.is_err());
        assert_eq!(lease.undo().await, []);
    }
}
