//! `disk.throttle`: how fast a disk may be used.

use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::Size;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::num::NonZeroU64;

/// How fast a disk may be used; QEMU's `throttle-group`. Totals stand alone, or reads and writes do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Throttle {
    /// Requests a second; no limit unless given. QEMU: `iops-total`.
    iops_total: Option<NonZeroU64>,
    /// Reads a second. QEMU: `iops-read`.
    iops_read: Option<NonZeroU64>,
    /// Writes a second. QEMU: `iops-write`.
    iops_write: Option<NonZeroU64>,
    /// Amount a second; no limit unless given. QEMU: `bps-total`.
    bps_total: Option<Size>,
    /// Amount read a second. QEMU: `bps-read`.
    bps_read: Option<Size>,
    /// Amount written a second. QEMU: `bps-write`.
    bps_write: Option<Size>,
    /// Requests in a second of a burst. QEMU: `iops-total-max`.
    iops_total_max: Option<NonZeroU64>,
    /// Reads in a second of a burst. QEMU: `iops-read-max`.
    iops_read_max: Option<NonZeroU64>,
    /// Writes in a second of a burst. QEMU: `iops-write-max`.
    iops_write_max: Option<NonZeroU64>,
    /// Amount in a second of a burst. QEMU: `bps-total-max`.
    bps_total_max: Option<Size>,
    /// Amount read in a second of a burst. QEMU: `bps-read-max`.
    bps_read_max: Option<Size>,
    /// Amount written in a second of a burst. QEMU: `bps-write-max`.
    bps_write_max: Option<Size>,
}

/// One thing that is limited.
struct Limit {
    unit: &'static str,
    of: &'static str,
    rate: Option<u64>,
    burst: Option<u64>,
}

impl Throttle {
    /// Adds the group that holds the limits of disk `i`, and returns its id.
    pub(super) fn draft(&self, i: usize, draft: &mut Draft) -> String {
        let key = format!("disk[{i}].throttle");
        let limits = self.limits();
        judge(&limits, &key, draft);
        let id = format!("disk{i}-limits");
        let mut given = Map::new();
        for Limit { unit, of, rate, burst } in limits {
            given.extend(rate.map(|rate| (format!("{unit}-{of}"), json!(rate))));
            given.extend(burst.map(|burst| (format!("{unit}-{of}-max"), json!(burst))));
        }
        let group = json!({"qom-type": "throttle-group", "id": id, "limits": Value::Object(given)});
        draft.contents.argv.object(&group, Origin::given(key));
        id
    }

    fn limits(&self) -> [Limit; 6] {
        let Self {
            iops_total,
            iops_read,
            iops_write,
            bps_total,
            bps_read,
            bps_write,
            iops_total_max,
            iops_read_max,
            iops_write_max,
            bps_total_max,
            bps_read_max,
            bps_write_max,
        } = self;
        let count = |of, rate: &Option<NonZeroU64>, burst: &Option<NonZeroU64>| Limit {
            unit: "iops",
            of,
            rate: rate.map(NonZeroU64::get),
            burst: burst.map(NonZeroU64::get),
        };
        let amount = |of, rate: &Option<Size>, burst: &Option<Size>| Limit {
            unit: "bps",
            of,
            rate: rate.map(Size::bytes),
            burst: burst.map(Size::bytes),
        };
        [
            count("total", iops_total, iops_total_max),
            count("read", iops_read, iops_read_max),
            count("write", iops_write, iops_write_max),
            amount("total", bps_total, bps_total_max),
            amount("read", bps_read, bps_read_max),
            amount("write", bps_write, bps_write_max),
        ]
    }
}

/// Most requests or bytes a second. QEMU: `THROTTLE_VALUE_MAX`, `include/qemu/throttle.h`.
const MOST: u64 = 1_000_000_000_000_000;

/// QEMU: `throttle_is_valid()`, `util/throttle.c`.
fn judge(limits: &[Limit], key: &str, draft: &mut Draft) {
    let mut refuse = |name: String, what: String, fix: String| {
        draft.refuse(Problem::new(Class::Invalid, format!("{key}.{name}"), what).fix(fix));
    };
    if limits.iter().all(|limit| limit.rate.is_none() && limit.burst.is_none()) {
        let example = "throttle = { iops_total = 1000, bps_total = \"100M\" }";
        return draft.refuse(Problem::new(Class::Invalid, key, "it limits nothing").fix(example));
    }
    for Limit { unit, of, rate, burst } in limits {
        let past = |value: &Option<u64>| value.is_some_and(|value| value > MOST);
        for (name, value) in [(format!("{unit}_{of}"), rate), (format!("{unit}_{of}_max"), burst)] {
            if past(value) {
                refuse(name.clone(), format!("a limit is at most {MOST}"), format!("leave {name} out"));
            }
        }
    }
    for [total, read, write] in limits.as_chunks::<3>().0 {
        let unit = total.unit;
        if total.rate.is_some() && (read.rate.is_some() || write.rate.is_some()) {
            refuse(
                format!("{unit}_total"),
                format!("{unit}_total stands beside {unit}_read or {unit}_write"),
                format!("{unit}_read and {unit}_write alone, or {unit}_total alone"),
            );
        }
    }
    for Limit { unit, of, rate, burst } in limits {
        let Some(burst) = burst else { continue };
        let name = format!("{unit}_{of}_max");
        match rate {
            None => refuse(name, format!("a burst without {unit}_{of}"), format!("{unit}_{of} too, no higher than it")),
            Some(rate) if burst < rate => refuse(
                name.clone(),
                format!("a burst of {burst}, below {unit}_{of} of {rate}"),
                format!("{name} higher than {unit}_{of}, or left out"),
            ),
            Some(_) => {}
        }
    }
}
