//! The frequency of this machine's time stamp counter, which is the emulated host's too.
//!
//! A kernel measures it itself when it boots, but on a busy machine it measures how often it was interrupted: its clock
//! then runs several times too fast, and every time-out in the host with it.

use std::arch::x86_64::_rdtsc;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// Ticks per millisecond, for the kernel's parameter `tsc_early_khz`; measured once.
pub(crate) fn tsc_khz() -> u64 {
    static KHZ: OnceLock<u64> = OnceLock::new();
    *KHZ.get_or_init(|| {
        let (from, first) = reading();
        thread::sleep(Duration::from_millis(200));
        let (to, last) = reading();
        let microseconds = u64::try_from((to - from).as_micros()).expect("less than a second or so");
        (last - first) * 1000 / microseconds
    })
}

/// A point in time and the counter at it: the pair of some that was least disturbed between its two halves.
fn reading() -> (Instant, u64) {
    let pairs = (0..100).map(|_| {
        let from = Instant::now();
        // SAFETY: the instruction is there on every x86-64 processor and touches no memory.
        #[allow(unsafe_code, reason = "no safe function of the standard library reads the counter")]
        let ticks = unsafe { _rdtsc() };
        (from.elapsed(), from, ticks)
    });
    let (_, at, ticks) = pairs.min().expect("a hundred of them");
    (at, ticks)
}
