//! Values that follow from what the guest is, where the profile does not give them.

use super::document::{Document, Turn};
use super::{Layered, keys::Keys, path};
use toml::de::DeValue;

/// A value that a guest of some kind gets unless the profile gives it.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its key, like `clock.base`.
    pub key: &'static str,
    /// Its value in TOML.
    pub value: &'static str,
    /// Why such a guest gets it.
    pub why: &'static str,
    /// A key without which it is left out, as it would mean nothing.
    pub with: Option<&'static str>,
    /// A key by which the user has decided on this one too.
    pub unless: Option<&'static str>,
}

/// The key that says what the guest is.
pub(super) const KEY: &str = "guest";

/// Adds the presets that the document leaves open, all in the place of `guest`; returns those added.
pub(super) fn fill<T: Layered>(document: &mut Document<'_>) -> Vec<Preset> {
    let Some(guest) = document.get(&[Turn::Key(KEY.into())]) else { return Vec::new() };
    let (place, name) = (guest.span(), guest.get_ref().as_str().unwrap_or_default());
    let has = |key: Option<&str>, document: &Document<'_>| key.map(|key| document.get(&way(key)).is_some());
    let given = document.clone();
    let open = |preset: &&Preset| {
        has(Some(preset.key), &given) == Some(false)
            && has(preset.with, &given) != Some(false)
            && has(preset.unless, &given) != Some(true)
    };
    let open: Vec<Preset> = T::presets(name).iter().filter(open).copied().collect();
    for preset in &open {
        let Ok(value) = DeValue::parse(preset.value) else { continue };
        let value = super::shift::value(value, &|_| place.clone());
        let way = way(preset.key);
        let Some((Turn::Key(key), around)) = way.split_last() else { continue };
        table(document, around, &place);
        document.insert(around, key, value);
    }
    open
}

fn way(key: &str) -> Vec<Turn> {
    path::steps(key).map(|steps| path::turns(&steps)).unwrap_or_default()
}

/// Makes the tables on the way that are not there.
fn table(document: &mut Document<'_>, way: &[Turn], place: &std::ops::Range<usize>) {
    for end in 1..=way.len() {
        if let (None, Some((Turn::Key(key), around))) = (document.get(&way[..end]), way[..end].split_last()) {
            let empty = toml::Spanned::new(place.clone(), DeValue::Table(toml::de::DeTable::new()));
            document.insert(around, key, empty);
        }
    }
}

impl Keys {
    /// Why the value at `path` follows from `guest`; `None` when the profile gives it, or nobody does.
    #[must_use]
    pub fn preset(&self, path: &str) -> Option<&'static str> {
        self.presets.iter().find(|preset| preset.key == path).map(|preset| preset.why)
    }
}
