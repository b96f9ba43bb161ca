//! Why an argument is there: the notes that stand beside it in a plan.

use super::layout::wrapped;
use super::plan::Against;
use crate::plan::Origin;
use crate::profile::source::Shown;

/// Where an argument comes from: the keys that the profile gives, those that it leaves at their default, and then each
/// that the argument is derived from, with the reason.
pub(super) fn notes(origins: &[Origin], against: &Against<'_>) -> Vec<String> {
    let keys = against.keys;
    let direct = origins.iter().filter(|origin| !origin.derived).map(|origin| origin.key.as_str());
    let (preset, direct): (Vec<_>, Vec<_>) = direct.partition(|key| keys.preset(key).is_some());
    let (given, default): (Vec<_>, Vec<_>) = direct.into_iter().partition(|key| keys.has(key));
    let mut notes = Vec::new();
    for (word, keys) in [("given", given), ("default", default)] {
        if !keys.is_empty() {
            let keys: Vec<_> = keys.into_iter().map(|key| placed(key, against)).collect();
            notes.push(format!("{word:7} {}", keys.join(", ")));
        }
    }
    let presets = preset.into_iter().filter_map(|key| Some((key, keys.preset(key)?)));
    notes.extend(presets.map(|(key, why)| format!("derived {} ({key}): {why}", placed("guest", against))));
    let derived = origins.iter().filter(|origin| origin.derived);
    notes.extend(derived.map(|Origin { key, why, source, derived: _ }| {
        let source = if source.is_empty() { String::new() } else { format!(" ({source})") };
        match (key.as_str(), &**why) {
            ("vmrun", why) => format!("always  {why}{source}"),
            (key, "") => format!("derived {}{source}", placed(key, against)),
            (key, why) => format!("derived {}: {why}{source}", placed(key, against)),
        }
    }));
    notes
}

/// A key with the line it is given on: `cpu.cores:12`, or with another file than the profile's own,
/// `cpu.cores (base.toml:12)`.
fn placed(key: &str, Against { keys, sheets, lines, .. }: &Against<'_>) -> String {
    let span = keys.span_of(key).filter(|_| *lines && keys.has(key) && keys.preset(key).is_none());
    match span.map(|span| sheets.shown(&span)) {
        None => key.to_owned(),
        Some(Shown { own: true, line, .. }) => format!("{key}:{line}"),
        Some(Shown { name, .. }) if name.starts_with("--") => format!("{key} ({name})"),
        Some(Shown { name, line, .. }) => format!("{key} ({name}:{line})"),
    }
}

/// A note whose later lines stand below its ninth column.
pub(super) fn hanging(note: &str, width: usize) -> Vec<String> {
    let (word, text) = note.split_at(8);
    let lines = wrapped(text, width.saturating_sub(8)).into_iter().enumerate();
    lines.map(|(index, line)| if index == 0 { format!("{word}{line}") } else { format!("{:8}{line}", "") }).collect()
}
