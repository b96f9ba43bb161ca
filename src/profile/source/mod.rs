//! From the text of a profile to values: every mistake of the file at once, each with its place.
//!
//! The parser recovers from broken syntax by itself. Serde stops at the first wrong value, so that value is noted,
//! taken out of the document, and the rest is tried again; see [`repair`].

mod document;
mod keys;
mod repair;
mod syntax;
mod words;

pub use keys::Keys;

use serde::de::DeserializeOwned;
use std::ops::Range;

/// Longest profile that is read, in bytes; a profile is some kilobytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Most mistakes that are told of one file.
const MAX_MISTAKES: usize = 50;

/// Something in the text that cannot be read as a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands, in bytes of the text.
    pub span: Range<usize>,
    /// What is wrong, for a person; lower case, no full stop.
    pub what: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Mistake {
    fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// The text of a file's `bytes`.
///
/// # Errors
/// When it is longer than [`MAX_BYTES`], is not UTF-8, or has a NUL, which no program can be given in an argument.
pub fn decode(bytes: &[u8]) -> Result<&str, Mistake> {
    if bytes.len() > MAX_BYTES {
        let what = format!("the file has {} bytes; a profile has at most {MAX_BYTES}", bytes.len());
        return Err(Mistake::new(0..0, what));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let what = format!("byte {at} of the file, 0x{:02x}, is not UTF-8", bytes[at]);
        Mistake::new(at..at + 1, what).help("save the file in the UTF-8 encoding")
    })?;
    match text.find('\0') {
        Some(at) => Err(Mistake::new(at..at + 1, format!("byte {at} of the file is a NUL, so this is no text file"))),
        None => Ok(text),
    }
}

/// Reads a profile.
///
/// # Errors
/// All mistakes of the text, by place, at most 50 of them; at least one.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<(T, Keys), Vec<Mistake>> {
    let mut parsed = syntax::parse(text)?;
    let keys = Keys::of(&parsed.document);
    match repair::deserialise(text, &mut parsed) {
        Some(value) if parsed.mistakes.is_empty() => Ok((value, keys)),
        _ => Err(in_order(parsed.mistakes)),
    }
}

fn in_order(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by_key(|mistake| mistake.span.start);
    mistakes.truncate(MAX_MISTAKES);
    mistakes
}

#[cfg(test)]
mod test;
