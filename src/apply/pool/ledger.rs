//! Who has which share of a pool of huge pages, and what follows from that. Numbers only.
//!
//! The kernel knows which pages are in use. It does not know that a QEMU which is about to start will need some of those
//! that are free, nor who has to give back which. That is what is written down here.

use crate::unit::Size;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one guest has to do with one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Share {
    /// NUMA node of the pool.
    pub(super) node: u32,
    /// Size of its pages.
    pub(super) size: Size,
    /// Pages that the guest needs.
    pub(super) take: u64,
    /// Whether its QEMU has them; until then they are free to the kernel, and spoken for here.
    pub(super) taken: bool,
    /// Pages in the pool before some were added for this guest.
    pub(super) before: u64,
    /// Pages that were to be added.
    pub(super) wanted: u64,
    /// Pages that were added; `None` while that is going on, or when its vmrun died of it.
    pub(super) added: Option<u64>,
    /// Pages to give back for guests that ended while this one had them, by the [`Self::id`] of each one's share: a vmrun
    /// that dies while it leaves them here leaves them once more.
    #[serde(default)]
    pub(super) inherited: BTreeMap<u64, u64>,
    /// No other share has it.
    #[serde(default)]
    pub(super) id: u64,
    /// Pages in the pool when those that are owed began to go: a vmrun that dies of it must not take others for them.
    #[serde(default)]
    pub(super) leaving: Option<u64>,
}

/// A pool as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// All its pages.
    pub(super) total: u64,
    /// Of them nobody's.
    pub(super) free: u64,
}

impl Share {
    /// Whether it is a share of this pool.
    pub(super) fn is_of(&self, node: u32, size: Size) -> bool {
        self.node == node && self.size == size
    }

    /// Pages that are free to the kernel and spoken for.
    pub(super) fn pending(&self) -> u64 {
        if self.taken { 0 } else { self.take }
    }

    /// Pages that its guest gives back when it ends. After a death within the growth, those that the pool has more than
    /// before, and within the return without those that it has less: whoever changes a pool next sets that straight first,
    /// so nobody else has changed it since.
    pub(super) fn owed(&self, now: Level) -> u64 {
        let added = self.added.unwrap_or_else(|| now.total.saturating_sub(self.before).min(self.wanted));
        let owed = self.inherited.values().fold(added, |all, pages| all.saturating_add(*pages));
        owed.saturating_sub(self.leaving.map_or(0, |from| from.saturating_sub(now.total)))
    }
}

/// Pages to add so that `take` more can be had, when `pending` of the free ones are spoken for.
pub(super) fn missing(take: u64, now: Level, pending: u64) -> u64 {
    take.saturating_sub(now.free.saturating_sub(pending))
}

/// How many of the `owed` pages can go now: none that somebody uses or is about to.
pub(super) fn returnable(owed: u64, now: Level, pending: u64) -> u64 {
    owed.min(now.free.saturating_sub(pending))
}

#[cfg(test)]
mod test {
    use super::{Level, Share, missing, returnable};
    use crate::unit::Size;
    use proptest::prelude::{Strategy, any};
    use proptest::{prop_assert, prop_assert_eq};
    use std::collections::BTreeMap;

    const SIZE: Size = Size::from_bytes(2 << 20);

    fn share(id: u64) -> Share {
        let (take, taken, before, wanted, added) = (0, false, 0, 0, Some(0));
        let (inherited, leaving) = (BTreeMap::new(), None);
        Share { node: 0, size: SIZE, take, taken, before, wanted, added, inherited, id, leaving }
    }

    /// A pool and guests that come and go, with the arithmetic of this file and a kernel that obeys.
    struct World {
        now: Level,
        guests: Vec<Option<Share>>,
        shares: u64,
    }

    impl World {
        fn others(&self, but: usize) -> u64 {
            let others = self.guests.iter().enumerate().filter(|(i, _)| *i != but);
            others.filter_map(|(_, guest)| guest.as_ref()).map(Share::pending).sum()
        }

        /// The guest's next step in life: claim, take, end.
        fn step(&mut self, who: usize, take: u64) -> Result<(), String> {
            match self.guests[who].clone() {
                None => {
                    let add = missing(take, self.now, self.others(who));
                    let before = self.now.total;
                    self.now = Level { total: before + add, free: self.now.free + add };
                    self.shares += 1;
                    let own = share(self.shares);
                    self.guests[who] = Some(Share { take, before, wanted: add, added: Some(add), ..own });
                }
                Some(share) if !share.taken => {
                    let left = self.now.free.checked_sub(share.take);
                    self.now.free = left.ok_or(format!("{who} finds {} of {}", self.now.free, share.take))?;
                    self.guests[who] = Some(Share { taken: true, ..share });
                }
                Some(share) => {
                    self.now.free += share.take;
                    self.guests[who] = None;
                    let owed = share.owed(self.now);
                    let gone = returnable(owed, self.now, self.others(who));
                    self.now = Level { total: self.now.total - gone, free: self.now.free - gone };
                    if let Some(heir) = self.guests.iter_mut().flatten().next() {
                        heir.inherited.insert(share.id, owed - gone);
                    } else if gone < owed {
                        return Err(format!("{} pages stay for ever", owed - gone));
                    }
                }
            }
            Ok(())
        }
    }

    fn lives() -> impl Strategy<Value = (u64, Vec<(usize, u64)>)> {
        (0..200_u64, proptest::collection::vec((0..4_usize, 1..100_u64), 0..60))
    }

    proptest::proptest! {
        #[test]
        fn every_guest_finds_its_pages_and_the_last_one_leaves_the_pool_as_it_was((total, steps) in lives()) {
            let mut world = World { now: Level { total, free: total }, guests: vec![None; 4], shares: 0 };
            for (who, take) in steps {
                prop_assert_eq!(world.step(who, take), Ok(()));
                prop_assert!(world.now.free <= world.now.total);
            }
            for who in 0..4 {
                while world.guests[who].is_some() {
                    prop_assert_eq!(world.step(who, 1), Ok(()));
                }
            }
            prop_assert_eq!(world.now, Level { total, free: total });
        }

        #[test]
        fn nothing_is_returned_that_somebody_has(owed: u64, total: u64, free in any::<u64>(), pending: u64) {
            let now = Level { total, free: free.min(total) };
            prop_assert!(returnable(owed, now, pending) <= now.free);
        }
    }

    #[test]
    fn after_a_death_within_the_growth_what_the_pool_has_more_is_owed() {
        let share = Share { take: 512, before: 100, wanted: 500, added: None, ..share(1) };
        assert_eq!(share.owed(Level { total: 130, free: 130 }), 30);
        assert_eq!(share.owed(Level { total: 90, free: 90 }), 0);
        assert_eq!(share.owed(Level { total: 2000, free: 2000 }), 500);
    }
}
