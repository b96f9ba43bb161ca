//! The guest's real-time clock, as it is kept from run to run.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// What the guest's clock shows when nobody has set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockBase {
    /// UTC.
    Utc,
    /// The local time of the host.
    Localtime,
}

/// How a guest's clock starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestClock {
    /// Where it starts until the guest sets it.
    pub base: ClockBase,
    /// Seconds that it is ahead of UTC since the guest set it; `None` when the guest never has.
    pub ahead: Option<i64>,
}

impl GuestClock {
    /// What it shows at `now`, as QEMU's `-rtc base=` takes it; `None` when it starts at its base.
    #[must_use]
    pub fn shows(&self, now: SystemTime) -> Option<String> {
        let ahead = self.ahead?;
        let by = Duration::from_secs(ahead.unsigned_abs());
        let shown = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        // QEMU wants no time zone (`configure_rtc_base_datetime`, `system/rtc.c`); a year of more digits nobody means.
        let text =
            humantime::format_rfc3339_seconds(shown.filter(|shown| *shown > SystemTime::UNIX_EPOCH)?).to_string();
        Some(text.trim_end_matches('Z').to_owned())
    }
}

#[cfg(test)]
mod test {
    use super::{ClockBase, GuestClock};
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_clock_that_was_set_goes_on_from_there() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_210_000);
        let shows = |ahead| GuestClock { base: ClockBase::Localtime, ahead }.shows(now);
        assert_eq!(shows(None), None);
        assert_eq!(shows(Some(3600)).unwrap(), "2024-02-29T13:33:20");
        assert_eq!(shows(Some(-86400)).unwrap(), "2024-02-28T12:33:20");
        assert_eq!(shows(Some(i64::MIN)), None);
    }
}
