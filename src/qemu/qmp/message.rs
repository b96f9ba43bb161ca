//! One line from QEMU.

use super::Event;
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime};

/// What a line says. QEMU: `docs/interop/qmp-spec.txt`.
#[derive(Debug)]
pub(super) enum Message {
    Greeting(Value),
    Event(Event),
    Return { id: Option<u64>, value: Value },
    Error { id: Option<u64>, class: String, desc: String },
}

impl Message {
    /// Reads a line; `None` when it is not QMP.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let mut object: Map<String, Value> = serde_json::from_slice(line).ok()?;
        if let Some(event) = object.remove("event") {
            return event_of(&event, object).map(Self::Event);
        }
        let id = object.get("id").and_then(Value::as_u64);
        if let Some(value) = object.remove("return") {
            return Some(Self::Return { id, value });
        }
        if let Some(error) = object.get("error") {
            return Some(Self::Error { id, class: text(error, "class"), desc: text(error, "desc") });
        }
        object.remove("QMP").map(Self::Greeting)
    }
}

fn event_of(name: &Value, mut object: Map<String, Value>) -> Option<Event> {
    let name = name.as_str()?.to_owned();
    let data = object.remove("data").unwrap_or_else(|| Value::Object(Map::new()));
    Some(Event { name, data, at: object.get("timestamp").and_then(time) })
}

fn time(stamp: &Value) -> Option<SystemTime> {
    let seconds = stamp.get("seconds")?.as_u64()?;
    let microseconds = stamp.get("microseconds")?.as_u64()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?.checked_add(Duration::from_micros(microseconds))
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
