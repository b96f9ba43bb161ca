//! `cpu.pinning.sched` and `cpu.pinning.nice`: how threads are scheduled.

use crate::plan::Sched;
use schemars::JsonSchema;
use serde::Deserialize;

/// `normal`, or `fifo:1` to `fifo:99`; sched(7).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^(normal|fifo:[1-9][0-9]?)$", "examples" = ["fifo:1", "normal"]))]
pub(super) struct SchedClass(pub(super) Sched);

impl TryFrom<String> for SchedClass {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "normal" {
            return Ok(Self(Sched::Normal));
        }
        let priority = text.strip_prefix("fifo:").and_then(|priority| priority.parse().ok());
        match priority.filter(|priority| (1..=99).contains(priority)) {
            Some(priority) => Ok(Self(Sched::Fifo(priority))),
            None => Err(format!("`{text}` is not a scheduling class; write normal, or fifo:1 to fifo:99")),
        }
    }
}

/// A nice value; sched(7).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "i64")]
#[schemars(with = "i64", extend("minimum" = -20, "maximum" = 19, "examples" = [-10]))]
pub(super) struct Nice(pub(super) i8);

impl TryFrom<i64> for Nice {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        i8::try_from(value)
            .ok()
            .filter(|nice| (-20..=19).contains(nice))
            .map(Self)
            .ok_or_else(|| format!("{value} is not a nice value; they go from -20, the most favoured, to 19"))
    }
}
