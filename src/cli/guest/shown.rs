//! Events and times as people read them.

use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An event in a line: its time, and what happened.
pub(super) fn event(event: &Value) -> String {
    let at = event["at"].as_str().unwrap_or_default();
    format!("{}  {}", at.get(11..19).unwrap_or(at), what(event))
}

fn what(event: &Value) -> String {
    let Some((kind, value)) = event.as_object().and_then(|event| event.iter().find(|(key, _)| !is_common(key))) else {
        return event.to_string();
    };
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "note" => value.as_str().unwrap_or_default().to_owned(),
        "warning" => format!("warning: {}", value.as_str().unwrap_or_default()),
        "state" => format!("state: {}", value.as_str().unwrap_or_default()),
        "stage" => format!("{} ({:.0} ms)", text("what"), value["took_ms"].as_f64().unwrap_or_default()),
        "waiting" => {
            format!("waiting for {} ({:.0} s)", text("what"), value["for_ms"].as_f64().unwrap_or_default() / 1e3)
        }
        "pinned" => format!("{} threads placed", value["threads"].as_array().map_or(0, Vec::len)),
        "event" if value["data"].as_object().is_none_or(serde_json::Map::is_empty) => text("event"),
        "event" => format!("{} {}", text("event"), value["data"]),
        "service" => format!("{} {}", text("name"), text("what").replace('_', " ")),
        "ended" => format!("ended: {}", text("reason").replace('_', " ")),
        _ => format!("{kind} {value}"),
    }
}

fn is_common(key: &str) -> bool {
    matches!(key, "n" | "at")
}

/// How long ago `seconds` since 1970 are, like `3h 5m`.
pub(super) fn ago(seconds: u64) -> String {
    let then = UNIX_EPOCH + Duration::from_secs(seconds);
    let passed = SystemTime::now().duration_since(then).unwrap_or_default();
    let whole = humantime::format_duration(Duration::from_secs(passed.as_secs())).to_string();
    whole.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod test {
    use super::event;
    use serde_json::json;

    #[test]
    fn events_are_told_by_what_they_say() {
        let at = "2026-11-26T03:44:28.123Z";
        let line = |what: serde_json::Value| {
            let mut whole = json!({ "n": 1, "at": at });
            whole.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
            event(&whole)
        };
        assert_eq!(line(json!({"note": "the guest reboots"})), "03:44:28  the guest reboots");
        assert_eq!(line(json!({"event": {"event": "STOP", "data": {}}})), "03:44:28  STOP");
        assert_eq!(line(json!({"stage": {"what": "QEMU answers", "took_ms": 40.2}})), "03:44:28  QEMU answers (40 ms)");
        assert_eq!(
            line(json!({"waiting": {"what": "QEMU to answer", "for_ms": 2001.3}})),
            "03:44:28  waiting for QEMU to answer (2 s)"
        );
        assert_eq!(line(json!({"ended": {"reason": "powered_off"}})), "03:44:28  ended: powered off");
    }
}
