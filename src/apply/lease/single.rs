//! Single devices that come to a guest while it runs, and leave it.

use super::undo::unrestored;
use super::{Lease, Unrestored};
use crate::apply::ApplyError;
use crate::apply::journal::Entry;
use crate::plan::Change;
use crate::unit::Bdf;

impl Lease {
    /// PCI functions that were taken from the host.
    #[must_use]
    pub fn devices(&self) -> Vec<Bdf> {
        self.journal.borrow().record().devices()
    }

    /// Claims `devices` for the guest that runs, and makes `changes`, which give them to VFIO. All of it or nothing.
    ///
    /// # Errors
    /// [`ApplyError::Busy`] when another guest has one of them, and whatever the host refuses. What could not be put
    /// back then stays in the journal, to be put back at the guest's end.
    pub async fn take(&self, devices: &[Bdf], changes: &[Change]) -> Result<(), ApplyError> {
        self.claim_devices(devices)?;
        for (number, change) in changes.iter().enumerate() {
            if let Err(error) = self.make(change).await {
                for left in self.give_back(devices, &changes[..number]).await {
                    tracing::warn!(step = left.step, why = left.why, "stays until the guest's end");
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gives `devices` back to the host, last change first, and with them what `others` changed around them. Returns
    /// what could not be put back; it stays in the journal, and its device stays claimed.
    pub async fn give_back(&self, devices: &[Bdf], others: &[Change]) -> Vec<Unrestored> {
        let changes = self.journal.borrow().record().changes.clone();
        let meant = |change: &Change| {
            devices.iter().any(|bdf| change.concerns(*bdf))
                || others.iter().any(|other| is_owed(other) && other == change)
        };
        let mut left = Vec::new();
        for (number, change) in changes.iter().rev().filter(|(_, change)| meant(change)) {
            let undone = match self.take_back(change).await {
                Ok(()) => self.add(Entry::Undone { number: *number }).map_err(|error| unrestored("rm journal", &error)),
                Err(failed) => Err(failed),
            };
            left.extend(undone.err());
        }
        let owed = self.devices();
        self.let_go(|bdf| devices.contains(&bdf) && !owed.contains(&bdf));
        left
    }

    fn let_go(&self, of: impl Fn(Bdf) -> bool) {
        let mut claims = self.claims.borrow_mut();
        let (gone, kept) = std::mem::take(&mut *claims).into_iter().partition(|claimed| of(claimed.bdf));
        *claims = kept;
        let gone: Vec<_> = gone;
        gone.into_iter().for_each(crate::apply::claim::Claimed::release);
    }
}

/// Whether it is put back when its device goes: a module stays, and what guests share is the business of its end.
fn is_owed(change: &Change) -> bool {
    matches!(change, Change::Unit { .. } | Change::Holders { .. })
}
