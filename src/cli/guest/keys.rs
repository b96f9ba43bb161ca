//! `vmrun send-key`: keys for the guest.

use super::{Refused, done, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::SendKey;
use crate::cli::output::Output;
use crate::supervise::{Ask, Client};
use serde_json::{Map, Value, json};

/// Names that people type, and QEMU's for the same key. QEMU: `QKeyCode` in `qapi/ui.json`.
const NAMES: &[(&str, &str)] = &[
    ("del", "delete"),
    ("enter", "ret"),
    ("return", "ret"),
    ("space", "spc"),
    ("win", "meta_l"),
    ("super", "meta_l"),
    ("meta", "meta_l"),
    ("pageup", "pgup"),
    ("pagedown", "pgdn"),
    ("escape", "esc"),
];

/// Presses keys in the guest: those of each word together, one word after the other.
pub(in crate::cli) fn send_key(SendKey { name, keys }: &SendKey, output: Output) -> Exit {
    let work = async {
        let mut client = Client::connect(&run_dir(name)).await?;
        for chord in keys {
            client.ask(&Ask::Qmp { execute: "send-key".into(), arguments: pressed(chord) }).await?;
        }
        Ok::<_, Refused>(done(name, &format!("pressed {}", keys.join(" ")), output))
    };
    for_guest(name, output, work)
}

fn pressed(chord: &str) -> Map<String, Value> {
    let keys: Vec<_> = chord.split('-').map(|key| json!({ "type": "qcode", "data": code(key) })).collect();
    Map::from_iter([("keys".to_owned(), json!(keys))])
}

fn code(key: &str) -> String {
    let key = key.to_ascii_lowercase();
    NAMES.iter().find(|(typed, _)| *typed == key).map_or(key, |(_, code)| (*code).to_owned())
}

#[cfg(test)]
mod test {
    use super::pressed;
    use serde_json::json;

    #[test]
    fn keys_are_named_as_people_name_them() {
        let keys = json!([
            {"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "alt"}, {"type": "qcode", "data": "delete"}
        ]);
        assert_eq!(pressed("Ctrl-Alt-Del")["keys"], keys);
    }
}
