//! The line about time.

use crate::cmos;
use crate::cpu::extended;
use crate::line;

/// Writes the line `clock`.
pub fn report() {
    let [year, month, day, hour, minute, second] = cmos::time();
    // Leaf 0x80000007, EDX bit 8: the TSC runs at one rate in all power states.
    let invariant = extended(0x8000_0007).is_some_and(|leaf| leaf.edx >> 8 & 1 == 1);
    let invariant = if invariant { "yes" } else { "no" };
    line!("clock rtc={year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02} tsc_invariant={invariant}");
}
