//! What could stand where a profile says something wrong: nothing, or another value that its type takes.

use super::document::{Document, Turn};
use super::repair::{Left, LeftKind};
use super::{Layered, preset};
use toml::Spanned;
use toml::de::{DeString, DeValue, Deserializer};

/// Values of the kinds that keys of a profile have. Two numbers and two sizes, so that what is said of one is not said of
/// the other.
const VALUES: &[&str] = &["1", "3", "8", "true", "false", "\"1GiB\"", "\"3GiB\"", "\"x\"", "[]", "{}"];

/// Most guesses at one value.
const MAX_GUESSES: usize = 8;

/// The documents, as values, that `document` may have been meant to be as far as `left` goes. None when no guess is a
/// value of its type.
pub(super) fn of<T: Layered>(document: &Document<'_>, left: &Left<'_>) -> Vec<T> {
    let mut guesses = Vec::new();
    if left.kind == LeftKind::Renamed {
        let mut without = document.clone();
        without.remove(&left.way);
        guesses.extend(value::<T>(&without));
        return guesses;
    }
    let Some((Turn::Key(key), around)) = left.way.split_last() else {
        // An element: what is said without the whole list does not come from it.
        let mut without = document.clone();
        without.remove(&left.way[..left.way.len() - 1]);
        guesses.extend(value::<T>(&without));
        return guesses;
    };
    let place = || left.written.as_ref().map_or(0..0, Spanned::span);
    let words = left.choices.iter().map(|word| DeValue::String(DeString::from(word.clone())));
    let values = VALUES.iter().filter_map(|text| Some(DeValue::parse(text).ok()?.into_inner()));
    for guess in words.chain(values).map(|value| Spanned::new(place(), value)) {
        let mut with = document.clone();
        with.insert(around, key, guess);
        if left.way == [Turn::Key(preset::KEY.into())] {
            preset::fill::<T>(&mut with);
        }
        guesses.extend(value::<T>(&with));
        if guesses.len() == MAX_GUESSES {
            break;
        }
    }
    guesses
}

fn value<T: Layered>(document: &Document<'_>) -> Option<T> {
    T::deserialize(Deserializer::from(document.root.clone())).ok()
}
