//! The guest's clock: what the guest sets it to is kept for its next start, as the battery of a PC does.

use super::run_folder::{keep_clock, kept_clock};
use super::{Notice, Tell};
use crate::plan::{ClockBase, GuestClock};
use crate::qemu::{Qmp, QmpError};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::SystemTime;

/// Seconds by which two looks at one clock may differ.
const SLACK: u64 = 2;

/// Keeps how the clock of the guest with the folder `run` is set now. QEMU has just said that the guest set it.
pub(super) async fn keep(clock: GuestClock, qmp: Qmp, run: PathBuf, tell: Tell<'_>) {
    // A guest that ends with its next breath is asked in vain.
    let Ok(Some(ahead)) = ahead(&qmp).await else { return tracing::info!("the guest's clock cannot be read") };
    let kept = kept_clock(&run).filter(|kept| kept.base == clock.base).and_then(|kept| kept.ahead);
    if !is_new(clock.base, kept, ahead) {
        return;
    }
    if let Err(error) = keep_clock(&run, GuestClock { ahead: Some(ahead), ..clock }) {
        tell(&Notice::Warning(format!("the guest's clock cannot be kept for its next start: {error}")));
    }
}

/// Whether a clock that is `ahead` of UTC starts elsewhere than the next one would. A guest writes its clock again and again.
fn is_new(base: ClockBase, kept: Option<i64>, ahead: i64) -> bool {
    match kept {
        Some(kept) => kept.abs_diff(ahead) > SLACK,
        None => base != ClockBase::Utc || ahead.unsigned_abs() > SLACK,
    }
}

/// Seconds that the guest's clock is ahead of UTC. QEMU's own figure counts from `-rtc base=`, in its time zone; the date
/// that the clock shows needs neither. QEMU: `hw/rtc/mc146818rtc.c`, `rtc-time`; the fields are those of C's `struct tm`.
async fn ahead(qmp: &Qmp) -> Result<Option<i64>, QmpError> {
    let shown = qmp.raw("qom-get", &json!({ "path": "/machine", "property": "rtc-time" })).await?;
    Ok(seconds(&shown).and_then(|shown| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        Some(shown - i64::try_from(now).ok()?)
    }))
}

/// Seconds since 1970 of a `struct tm`.
fn seconds(tm: &Value) -> Option<i64> {
    let field = |name: &str| tm[name].as_i64();
    let (year, month) = (field("tm_year")? + 1900, field("tm_mon")? + 1);
    let (day, hour, minute, second) = (field("tm_mday")?, field("tm_hour")?, field("tm_min")?, field("tm_sec")?);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    let since = humantime::parse_rfc3339(&text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod test {
    use super::{is_new, seconds};
    use crate::plan::ClockBase::{Localtime, Utc};
    use serde_json::json;

    #[test]
    fn the_date_of_the_clock_is_understood() {
        let tm = |year: i64| json!({ "tm_year": year, "tm_mon": 1, "tm_mday": 29, "tm_hour": 12, "tm_min": 33, "tm_sec": 20 });
        assert_eq!(seconds(&tm(124)), Some(1_709_210_000));
        assert_eq!(seconds(&tm(-1)), None);
        assert_eq!(seconds(&json!({ "tm_year": 124 })), None);
    }

    #[test]
    fn a_clock_that_is_written_as_it_was_is_not_kept_again() {
        assert!(!is_new(Utc, None, -1));
        assert!(is_new(Utc, None, 3600));
        assert!(is_new(Localtime, None, 0), "the local time of its host may change");
        assert!(!is_new(Localtime, Some(3600), 3601));
        assert!(is_new(Utc, Some(3600), 0), "it is set right again");
    }
}
