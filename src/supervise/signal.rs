//! Signals as events, with who sent them.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Origin;
use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use tokio::net;
use tokio::time::{Duration, Instant};

/// A signal that somebody sent to vmrun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    /// Its number.
    pub(super) number: i32,
    /// The process that sent it, where the kernel says so; a terminal's signals have none.
    pub(super) sender: Option<i32>,
}

impl Signal {
    /// Its name, like `SIGTERM`.
    #[must_use]
    pub(super) fn name(&self) -> &'static str {
        signal_hook::low_level::signal_name(self.number).unwrap_or("signal")
    }
}

/// Receives SIGINT, SIGTERM, SIGHUP and SIGQUIT from when it is made until it is dropped.
pub(crate) struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
    wake: net::UnixStream,
    waiting: VecDeque<Signal>,
    presses: Presses,
}

/// Two Ctrl-C closer than this are one: a bouncing key, or a terminal and its shell that both send it.
const BOUNCE: Duration = Duration::from_millis(300);
/// Ctrl-C after Ctrl-C, each closer to the one before than this, are a key that is held down: nobody types as fast.
const HELD: Duration = Duration::from_millis(100);

/// Which Ctrl-C count. Hammered on, the key still warns and forces, though each second one may be taken for a bounce;
/// something that lies on it forces no guest off.
#[derive(Default)]
struct Presses {
    last: Option<Instant>,
    counted: Option<Instant>,
}

impl Presses {
    fn counts(&mut self, now: Instant) -> bool {
        let since = |before: Option<Instant>| before.map_or(Duration::MAX, |before| now.duration_since(before));
        let counts = since(self.last) >= HELD && since(self.counted) >= BOUNCE;
        self.last = Some(now);
        if counts {
            self.counted = Some(now);
        }
        counts
    }
}

impl Signals {
    /// Starts to receive.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        let wake = net::UnixStream::from_std(read.try_clone()?)?;
        let delivery =
            SignalDelivery::with_pipe(read, write, WithOrigin::default(), [SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
        Ok(Self { delivery, wake, waiting: VecDeque::new(), presses: Presses::default() })
    }

    /// The next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Signal {
        loop {
            while let Some(signal) = self.waiting.pop_front() {
                if signal.number != SIGINT || self.presses.counts(Instant::now()) {
                    return signal;
                }
            }
            self.collect().await;
        }
    }

    async fn collect(&mut self) {
        if self.wake.readable().await.is_err() {
            // The reactor is gone: the process is about to end.
            std::future::pending::<()>().await;
        }
        let mut drained = [0; 64];
        while matches!(self.wake.try_read(&mut drained), Ok(count) if count > 0) {}
        self.waiting.extend(self.delivery.pending().map(|origin| described(&origin)));
    }
}

fn described(origin: &Origin) -> Signal {
    Signal { number: origin.signal, sender: origin.process.map(|process| process.pid).filter(|pid| *pid > 0) }
}

#[cfg(test)]
mod test {
    use super::{Presses, Signal, Signals};
    use signal_hook::consts::SIGHUP;
    use tokio::time::{Duration, Instant};

    /// How many of `count` Ctrl-C count that come `every` so many milliseconds.
    fn counted(count: u32, every: u64) -> usize {
        let (mut presses, begin) = (Presses::default(), Instant::now());
        (0..count).filter(|press| presses.counts(begin + Duration::from_millis(every) * *press)).count()
    }

    #[test]
    fn a_hammered_key_counts_again_and_one_that_bounces_or_is_held_counts_once() {
        assert_eq!(counted(3, 400), 3);
        assert_eq!(counted(40, 220), 20);
        assert_eq!(counted(2, 5), 1);
        assert_eq!(counted(2, 220), 1);
        assert_eq!(counted(1000, 33), 1);
    }

    #[tokio::test]
    async fn a_signal_is_told_with_its_sender() {
        let mut signals = Signals::new().unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(signals.next().await, Signal { number: SIGHUP, sender: Some(me) });
    }
}
