//! One line from QEMU.

use super::Event;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime};

/// What a line says. QEMU: `docs/interop/qmp-spec.txt`.
#[derive(Debug)]
pub(super) enum Message {
    Greeting(Value),
    Event(Event),
    Return { id: Option<u64>, value: Box<RawValue> },
    Error { id: Option<u64>, class: String, desc: String },
}

/// All that a line may have. A reply stays text until its reader says what it is: with a thousand vCPUs, to read it as any
/// JSON takes longer than to place them.
#[derive(Deserialize)]
struct Line<'a> {
    event: Option<Value>,
    data: Option<Value>,
    timestamp: Option<Value>,
    id: Option<Value>,
    #[serde(rename = "return", borrow, default, deserialize_with = "there")]
    value: Option<&'a RawValue>,
    error: Option<Value>,
    #[serde(rename = "QMP")]
    greeting: Option<Value>,
}

/// What is there, be it `null`.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Message {
    /// Reads a line; `None` when it is not QMP.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        // An array would be taken for the values of an object without their names.
        let object = line.trim_ascii_start().starts_with(b"{").then_some(line)?;
        let line: Line<'_> = serde_json::from_slice(object).ok()?;
        if let Some(name) = line.event {
            return event_of(&name, line.data, line.timestamp.as_ref()).map(Self::Event);
        }
        let id = line.id.as_ref().and_then(Value::as_u64);
        if let Some(value) = line.value {
            return Some(Self::Return { id, value: value.to_owned() });
        }
        if let Some(error) = line.error {
            return Some(Self::Error { id, class: text(&error, "class"), desc: text(&error, "desc") });
        }
        line.greeting.map(Self::Greeting)
    }
}

fn event_of(name: &Value, data: Option<Value>, timestamp: Option<&Value>) -> Option<Event> {
    let data = data.unwrap_or_else(|| Value::Object(Map::new()));
    Some(Event { name: name.as_str()?.to_owned(), data, at: timestamp.and_then(time) })
}

fn time(stamp: &Value) -> Option<SystemTime> {
    let seconds = stamp.get("seconds")?.as_u64()?;
    let microseconds = stamp.get("microseconds")?.as_u64()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?.checked_add(Duration::from_micros(microseconds))
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
