//! A guest that reboots again and again.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Reboots within [`SPAN`] that are too many.
const MANY: usize = 5;
const SPAN: Duration = Duration::from_secs(10);

/// The last reboots of a guest.
#[derive(Default)]
pub(super) struct Reboots {
    last: VecDeque<Instant>,
    said: bool,
}

impl Reboots {
    /// Counts one at `now`; true once, when there are too many.
    pub(super) fn too_many(&mut self, now: Instant) -> bool {
        self.last.retain(|reboot| now - *reboot < SPAN);
        self.last.push_back(now);
        let first = self.last.len() > MANY && !self.said;
        self.said |= first;
        first
    }
}

#[cfg(test)]
mod test {
    use super::{MANY, Reboots, SPAN};
    use tokio::time::Instant;

    #[test]
    fn the_sixth_reboot_within_ten_seconds_is_told_once() {
        let (mut reboots, now) = (Reboots::default(), Instant::now());
        let told: Vec<_> = (0..MANY + 3).map(|_| reboots.too_many(now)).collect();
        assert_eq!(told.iter().position(|told| *told), Some(MANY));
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
    }

    #[test]
    fn reboots_far_apart_are_a_users_business() {
        let (mut reboots, mut now) = (Reboots::default(), Instant::now());
        assert!(!(0..50).any(|_| {
            now += SPAN / 4;
            reboots.too_many(now)
        }));
    }
}
