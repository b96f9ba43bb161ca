//! When a companion that died is started again, and when no more.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Least pause.
const LEAST: Duration = Duration::from_secs(1);
/// Pause at which the doubling ends.
const MOST: Duration = Duration::from_secs(30);
/// Time in which deaths are counted; one who lived so long starts afresh.
const CALM: Duration = Duration::from_secs(60);

/// Pauses that double, and a count of deaths.
pub(super) struct Backoff {
    delay: Duration,
    pause: Duration,
    burst: u32,
    deaths: VecDeque<Instant>,
}

impl Backoff {
    /// `delay` is the first pause, a second at least; `burst` the deaths within a minute after which it is given up.
    pub(super) fn new(delay: Duration, burst: u32) -> Self {
        let delay = delay.max(LEAST);
        Self { delay, pause: delay, burst, deaths: VecDeque::new() }
    }

    /// Counts a death at `now` of one that lived so long: the pause until the next start, or the deaths within a
    /// minute when they are too many.
    pub(super) fn died(&mut self, now: Instant, lived: Duration) -> Result<Duration, u32> {
        if lived >= CALM {
            self.pause = self.delay;
        }
        self.deaths.retain(|death| now - *death < CALM);
        self.deaths.push_back(now);
        let deaths = u32::try_from(self.deaths.len()).unwrap_or(u32::MAX);
        if deaths >= self.burst {
            return Err(deaths);
        }
        let pause = self.pause;
        // A delay that is longer than the limit stays as the user wrote it.
        self.pause = (pause * 2).min(MOST).max(self.delay);
        Ok(pause)
    }
}

#[cfg(test)]
mod test {
    use super::Backoff;
    use std::time::Duration;
    use tokio::time::Instant;

    const NO_LIFE: Duration = Duration::ZERO;

    fn seconds(list: &[u64]) -> Vec<Result<Duration, u32>> {
        list.iter().map(|seconds| Ok(Duration::from_secs(*seconds))).collect()
    }

    /// Deaths right after each start.
    fn pauses(backoff: &mut Backoff, count: usize) -> Vec<Result<Duration, u32>> {
        let mut now = Instant::now();
        let mut die = || {
            let answer = backoff.died(now, NO_LIFE);
            now += answer.unwrap_or_default();
            answer
        };
        (0..count).map(|_| die()).collect()
    }

    #[test]
    fn the_pause_doubles_up_to_half_a_minute() {
        let mut backoff = Backoff::new(Duration::ZERO, 100);
        assert_eq!(pauses(&mut backoff, 7), seconds(&[1, 2, 4, 8, 16, 30, 30]));
    }

    #[test]
    fn the_fifth_death_within_a_minute_is_the_last() {
        let mut backoff = Backoff::new(Duration::from_secs(1), 5);
        let answers = pauses(&mut backoff, 5);
        assert_eq!(answers[..4], seconds(&[1, 2, 4, 8]));
        assert_eq!(answers[4], Err(5));
    }

    #[test]
    fn deaths_far_apart_are_not_counted_together() {
        let mut backoff = Backoff::new(Duration::from_secs(40), 3);
        assert_eq!(pauses(&mut backoff, 6), seconds(&[40; 6]));
    }

    #[test]
    fn a_calm_minute_starts_afresh() {
        let mut backoff = Backoff::new(Duration::from_secs(5), 100);
        assert_eq!(pauses(&mut backoff, 3), seconds(&[5, 10, 20]));
        let later = Instant::now() + Duration::from_secs(300);
        assert_eq!(backoff.died(later, Duration::from_secs(59)), Ok(Duration::from_secs(30)));
        assert_eq!(backoff.died(later, Duration::from_secs(60)), Ok(Duration::from_secs(5)));
    }
}
