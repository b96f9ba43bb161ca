//! Values that are a switch or a word: `true`, `false`, or one of a few texts.

use serde::Deserializer;
use serde::de::{self, Visitor};
use std::fmt;

/// Reads a value that `expected` describes: `switch` makes something of true and false, `word` of the texts that it knows.
pub(super) fn switch_or_word<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    switch: impl FnOnce(bool) -> T,
    word: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(SwitchOrWord { expected, switch, word })
}

struct SwitchOrWord<S, W> {
    expected: &'static str,
    switch: S,
    word: W,
}

impl<T, S: FnOnce(bool) -> T, W: FnOnce(&str) -> Option<T>> Visitor<'_> for SwitchOrWord<S, W> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<T, E> {
        Ok((self.switch)(on))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        let Self { expected, word, .. } = self;
        word(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &expected))
    }
}
