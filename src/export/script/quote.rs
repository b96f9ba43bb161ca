//! Words for a shell.

use std::borrow::Cow;

/// One word.
pub(super) fn word(text: &str) -> String {
    // A shell's word holds every character but NUL, which no argument of a program has either.
    shlex::try_quote(text).map_or_else(|_| format!("'{}'", text.replace(['\'', '\0'], "")), Cow::into_owned)
}

/// Words with a space between two.
pub(super) fn words<T: AsRef<str>>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|text| word(text.as_ref())).collect::<Vec<_>>().join(" ")
}
