//! `vmrun send-key`: keys for the guest.

use super::{Refused, done, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::SendKey;
use crate::cli::output::Output;
use crate::supervise::{Ask, Client};
use qapi::Enum;
use qapi::qmp::QKeyCode;
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
        // All of them, before the first is pressed: half of what was meant may do something else.
        let chords: Vec<_> = keys.iter().map(|chord| pressed(chord)).collect::<Result<_, _>>()?;
        for arguments in chords {
            client.ask(&Ask::Qmp { execute: "send-key".into(), arguments }).await?;
        }
        Ok::<_, Refused>(done(name, &format!("pressed {}", keys.join(" ")), output))
    };
    for_guest(name, output, work)
}

fn pressed(chord: &str) -> Result<Map<String, Value>, Refused> {
    let key = |key: &str| Ok(json!({ "type": "qcode", "data": code(key)? }));
    let keys: Vec<_> = chord.split('-').map(key).collect::<Result<_, Refused>>()?;
    Ok(Map::from_iter([("keys".to_owned(), json!(keys))]))
}

/// QEMU's name for `key`.
fn code(key: &str) -> Result<&'static str, Refused> {
    let typed = key.to_ascii_lowercase();
    let name = NAMES.iter().find(|(known, _)| *known == typed).map_or(&*typed, |(_, code)| *code);
    QKeyCode::NAMES.iter().copied().find(|known| *known == name).ok_or_else(|| {
        let meant = nearest(&typed).map_or(String::new(), |near| format!("did you mean {near}? "));
        let fix = format!("{meant}keys are called like a, 1, f5, ret, esc, spc, ctrl, alt, shift, meta_l, kp_enter");
        Refused::unless(format!("no key is called `{}`", key.escape_debug()), fix)
    })
}

/// The name that is most like `typed`; of names of a letter or two any other would be.
fn nearest(typed: &str) -> Option<&'static str> {
    let known = NAMES.iter().map(|(known, _)| *known).chain(QKeyCode::NAMES.iter().copied());
    let near = known.map(|known| (strsim::osa_distance(typed, known), known));
    near.filter(|(distance, _)| *distance <= typed.len() / 3).min().map(|(_, known)| known)
}

#[cfg(test)]
mod test {
    use super::{Refused, pressed};
    use serde_json::json;

    #[test]
    fn keys_are_named_as_people_name_them() {
        let keys = json!([
            {"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "alt"}, {"type": "qcode", "data": "delete"}
        ]);
        assert_eq!(pressed("Ctrl-Alt-Del").ok().unwrap()["keys"], keys);
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_name_that_was_meant() {
        let refused = |chord: &str| match pressed(chord) {
            Err(Refused::Unless { what, fix }) => format!("{what}; {fix}"),
            _ => String::new(),
        };
        assert!(refused("ctrl-foo").starts_with("no key is called `foo`; keys are called like a, 1, f5"));
        assert!(refused("ctrl-alt-delte").starts_with("no key is called `delte`; did you mean delete? keys"));
        assert!(refused("retrun").contains("did you mean return?"));
        assert!(refused("a-").starts_with("no key is called ``; keys"));
    }
}
