//! What QEMU says unasked.

use serde_json::{Value, json};
use std::time::SystemTime;

/// An event, as it came. Names and data newer than `qapi` are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name, like `SHUTDOWN`.
    pub name: String,
    /// Its data; an empty object when it has none.
    pub data: Value,
    /// When it happened by the host's clock; `None` when QEMU could not tell (it says -1 then).
    pub at: Option<SystemTime>,
}

impl Event {
    /// The event with its types; `None` when name or data are newer, or older, than `qapi` knows.
    #[must_use]
    pub fn known(&self) -> Option<qapi::qmp::Event> {
        let timestamp = json!({ "seconds": 0, "microseconds": 0 });
        serde_json::from_value(json!({ "event": self.name, "data": self.data, "timestamp": timestamp })).ok()
    }

    /// The text at `key` of the data, like `reason` of `SHUTDOWN`.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key)?.as_str()
    }
}
