//! Making changes: each into the journal first, then on the host.

use super::{Lease, Made};
use crate::apply::fault::{Point, at, at_what};
use crate::apply::pool::{self, Claim};
use crate::apply::step::{holds, owner, perform};
use crate::apply::{ApplyError, shared};
use crate::plan::{Change, Lane, Step, rounds};
use futures_util::future::join_all;
use std::cell::Cell;

/// Makes `changes`, in order, and those of functions on different buses side by side: each by `how`, which is
/// [`Lease::make`] and what is told of it. After one that fails no other is begun.
///
/// # Errors
/// With the first failure, and those on other buses beside it.
pub async fn make_all<'c, E>(
    changes: impl IntoIterator<Item = &'c Change>,
    how: impl AsyncFn(&'c Change) -> Result<(), E>,
) -> Result<(), (E, Vec<E>)> {
    for round in rounds(changes, |change| *change) {
        let failed = Cell::new(false);
        let lanes = round.into_iter().map(async |lane: Lane<&'c Change>| {
            for change in lane {
                if failed.get() {
                    break;
                }
                how(change).await.inspect_err(|_| failed.set(true))?;
            }
            Ok(())
        });
        let mut failures = join_all(lanes).await.into_iter().filter_map(Result::err);
        if let Some(first) = failures.next() {
            return Err((first, failures.collect()));
        }
    }
    Ok(())
}

impl Lease {
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
        if let Change::Gather { .. } | Change::Bridge { .. } | Change::Share { .. } = change {
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

    /// Takes back the steps of `change` before the one with this number, which failed. What cannot be taken back stays
    /// in the journal.
    async fn give_up(&self, change: &Change, number: usize, error: &ApplyError) -> Result<(), ApplyError> {
        let nothing_done = number == 0 && !matches!(error, ApplyError::Stuck(_));
        let undone =
            nothing_done || (!matches!(error, ApplyError::Stuck(_)) && self.take_back(&change.for_now()).await.is_ok());
        if undone { self.forget(change) } else { Ok(()) }
    }
}
