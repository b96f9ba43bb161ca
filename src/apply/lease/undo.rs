//! Putting the host back: what the journal says, last change first.

use super::{Lease, Unrestored};
use crate::apply::fault::{Point, at, at_what};
use crate::apply::journal::Entry;
use crate::apply::step::{hanging, perform};
use crate::apply::{ApplyError, pool, shared};
use crate::plan::{Change, Step, rounds};
use crate::unit::{Bdf, Size};
use futures_util::future::join_all;
use nix::fcntl::Flock;
use std::fs::File;

impl Lease {
    /// Puts the host back, last change first, and functions on different buses side by side. One that fails does not keep
    /// the others from being put back; it stays in the journal. What the guest of a vmrun that was killed had, and another
    /// guest has by now, is left to that.
    pub async fn undo(&self) -> Vec<Unrestored> {
        let taken = self.claim_rest();
        self.undo_but(&taken).await
    }

    /// Claims each device of the journal that is not held, and returns those that others have, with the reasons.
    fn claim_rest(&self) -> Vec<(Bdf, String)> {
        let devices = self.journal.borrow().record().devices();
        let mut taken = Vec::new();
        for bdf in self.without_claim(&devices).collect::<Vec<_>>() {
            match self.claim_one(bdf) {
                Ok(claimed) => self.claims.borrow_mut().push(claimed),
                Err(ApplyError::Busy(why)) => taken.push((bdf, why)),
                // Who cannot make a lock has none to respect.
                Err(error) => tracing::warn!(%bdf, %error, "put back without its lock"),
            }
        }
        taken
    }

    /// As [`Self::undo`], but leaves what was changed of the functions in `taken`, with the reasons, to who has them.
    pub(super) async fn undo_but(&self, taken: &[(Bdf, String)]) -> Vec<Unrestored> {
        let mut failed = Vec::new();
        let changes = self.journal.borrow().record().changes.clone();
        for round in rounds(changes.iter().rev(), |(_, change)| change) {
            let lanes = round.into_iter().map(|lane| async {
                let mut left = Vec::new();
                for (number, change) in lane {
                    left.extend(self.undo_one(*number, change, taken).await.err());
                }
                left
            });
            failed.extend(join_all(lanes).await.into_iter().flatten());
        }
        failed.reverse();
        failed.extend(self.settle().await);
        failed
    }

    /// Takes back the change with this number, unless it belongs to who has its function by now.
    async fn undo_one(&self, number: u64, change: &Change, taken: &[(Bdf, String)]) -> Result<(), Unrestored> {
        self.come_back(change)?;
        let _turn = self.turn(change).await.map_err(|error| unrestored("lock the folder of the runs", &error))?;
        if let Some((_, why)) = taken.iter().find(|(bdf, _)| change.device() == Some(*bdf)) {
            return Err(left_to(change, why));
        }
        self.take_back(change).await?;
        self.add(Entry::Undone { number }).map_err(|error| unrestored("rm journal", &error))
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
            if let Err(error) = pool::give_back(&self.place(), node, size).await {
                failed.push(unrestored("give huge pages back", &error));
            }
        }
        failed
    }

    /// The turn to take `change` back, where others have to wait; held until the journal does not say any more that
    /// this guest wants it.
    async fn turn(&self, change: &Change) -> Result<Option<Flock<File>>, ApplyError> {
        match change {
            Change::Shared { .. } | Change::Gather { .. } | Change::Bridge { .. } | Change::Share { .. } => {
                shared::lock(&self.place().dir).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    pub(super) async fn take_back(&self, change: &Change) -> Result<(), Unrestored> {
        let failed = |step: &Step, error: &ApplyError| unrestored(step.to_string(), error);
        let steps = change.inverse().steps();
        if let Change::HugePages { node, size, .. } = change {
            let Some(step) = steps.first() else { return Ok(()) };
            let given = async {
                at_what(Point::Undo, step)?;
                pool::give_back(&self.place(), *node, *size).await?;
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
        if let Change::Bridge { name, .. } = change {
            let (dir, boot_id) = self.shares();
            if shared::bridge_wanted_by_others(&dir, &boot_id, name) {
                return Ok(());
            }
        }
        for step in &steps {
            let done = async {
                at_what(Point::Undo, step)?;
                perform(&self.ground, step).await?;
                at(Point::UndoDone)
            };
            self.under_way.borrow_mut().push(step.clone());
            let done = done.await;
            self.under_way.borrow_mut().retain(|other| other != step);
            done.map_err(|error| {
                self.may_hang.set(self.may_hang.get() || matches!(error, ApplyError::Stuck(_)));
                failed(step, &error)
            })?;
        }
        Ok(())
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
}

pub(super) fn unrestored(step: impl Into<String>, error: &ApplyError) -> Unrestored {
    let reason = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Unrestored { step: step.into(), why: format!("{error}{reason}") }
}

fn left_to(change: &Change, why: &str) -> Unrestored {
    let steps = change.inverse().steps();
    Unrestored { step: steps.first().map(ToString::to_string).unwrap_or_default(), why: why.to_owned() }
}
