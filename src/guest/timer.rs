//! Waiting with an end, by ACPI's power management timer.

use core::hint::spin_loop;

use crate::fadt::Fadt;
use crate::port;

/// Ticks in a second (ACPI specification, 4.8.3.3).
const HZ: u64 = 3_579_545;
/// The counter has at least 24 bits, so it must be read more often than every 4 seconds.
const COUNTER: u32 = 0xff_ffff;

/// Spins until `reached` says yes; `false` when `seconds` went by before.
pub fn wait(fadt: &Fadt, seconds: u64, mut reached: impl FnMut() -> bool) -> bool {
    let mut last = port::read_u32(fadt.timer);
    let mut ticks = 0;
    while ticks < seconds * HZ {
        if reached() {
            return true;
        }
        spin_loop();
        let now = port::read_u32(fadt.timer);
        ticks += u64::from(now.wrapping_sub(last) & COUNTER);
        last = now;
    }
    false
}
