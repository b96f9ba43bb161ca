//! Relative paths in a file that another one extends: they start at the folder of the file they stand in.

use super::Layered;
use super::document::{Document, Turn};
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};
use toml::Spanned;
use toml::de::{DeString, DeValue};

/// Makes the relative paths of `document`, a file in the folder `dir`, absolute.
pub(super) fn anchor<T: Layered>(document: &mut Document<'_>, dir: &Path) {
    let nodes = document.nodes();
    let texts = nodes.iter().filter_map(|node| match node.value {
        DeValue::String(text) if is_relative::<T>(&node.path, text) => {
            Some((node.path.clone(), node.span.clone(), absolute(dir, text)))
        }
        _ => None,
    });
    let texts: Vec<_> = texts.collect();
    for (way, place, path) in texts {
        document.replace(&way, Spanned::new(place, DeValue::String(DeString::from(path))));
    }
}

fn is_relative<T: Layered>(way: &[Turn], text: &str) -> bool {
    // `~` is the home of whoever runs the guest, wherever the file lies.
    if text.is_empty() || text.starts_with('/') || Path::new(text).starts_with("~") {
        return false;
    }
    let pattern = pattern(way);
    if T::WORDS.iter().any(|(key, words)| *key == pattern && words.contains(&text)) {
        return false;
    }
    T::PATHS.contains(&&*pattern) || (T::PROGRAMS.contains(&&*pattern) && text.contains('/'))
}

/// A path with `[]` for each index but that of the first word of a command: `disk[].file`, `hook[].run[0]`.
fn pattern(way: &[Turn]) -> String {
    let variant = matches!(way, [Turn::Key(first), Turn::Key(_), _, ..] if first == "variant");
    let way = if variant { &way[2..] } else { way };
    let mut text = String::new();
    for (at, turn) in way.iter().enumerate() {
        let last = at + 1 == way.len();
        match turn {
            Turn::Key(key) if text.is_empty() => text.push_str(key),
            Turn::Key(key) => _ = write!(text, ".{key}"),
            Turn::Index(0) if last => text.push_str("[0]"),
            Turn::Index(_) => text.push_str("[]"),
        }
    }
    text
}

fn absolute(dir: &Path, text: &str) -> String {
    let whole: PathBuf = dir.join(text).components().filter(|part| *part != Component::CurDir).collect();
    whole.to_string_lossy().into_owned()
}
