//! Where each key of a profile stands, for whoever finds something to say about it later.

use super::document::{Document, Turn};
use super::preset::Preset;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

/// The place of every key of a profile.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    places: BTreeMap<String, Range<usize>>,
    pub(super) presets: Vec<Preset>,
}

impl Keys {
    pub(super) fn of(document: &Document<'_>, presets: Vec<Preset>) -> Self {
        let places = document.nodes().into_iter().map(|node| (written(&node.path), node.span)).collect();
        Self { places, presets }
    }

    /// Whether the profile has the key path, in a text or as a preset.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Where the value of a key path like `pci[0].host` stands, in bytes of all texts; of a table, its header.
    ///
    /// For a key that the text does not have, the place of the nearest table around it. `None` when there is none.
    #[must_use]
    pub fn span_of(&self, path: &str) -> Option<Range<usize>> {
        let mut path = path;
        loop {
            if let Some(span) = self.places.get(path) {
                return Some(span.clone());
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// A path as a person writes it: `pci[0].host`.
pub(super) fn written(path: &[Turn]) -> String {
    let mut text = String::new();
    for turn in path {
        match turn {
            Turn::Key(key) if text.is_empty() => text.push_str(key),
            Turn::Key(key) => _ = write!(text, ".{key}"),
            Turn::Index(index) => _ = write!(text, "[{index}]"),
        }
    }
    text
}
