//! From the texts of a profile to values: every mistake at once, each with its place.
//!
//! The file that a profile extends lies below it, the variants that are asked for lie above, then come the values of
//! `--set`; see [`layers`]. All of them are one document before a value is judged.
//!
//! The parser recovers from broken syntax by itself. Serde stops at the first wrong value, so that value is noted,
//! taken out of the document, and the rest is tried again; see [`repair`]. What remains is a value too, the [`Rest`], of
//! which more can be said in the same run.

mod bounds;
mod difference;
mod document;
mod folder;
mod guess;
mod keys;
mod layers;
mod merge;
mod path;
mod preset;
mod repair;
mod rest;
mod set;
mod sheets;
mod shift;
mod syntax;
mod variant;
mod without;
mod words;

pub use difference::{Difference, differences};
pub use keys::Keys;
pub use preset::Preset;
pub use rest::{Rejection, Rest};
pub use sheets::{Sheets, Shown};
pub(super) use words::nearest;

use document::{Document, Turn};
use repair::Repaired;
use serde::de::DeserializeOwned;
use std::mem;
use std::ops::Range;
use syntax::Parsed;
use toml::de::DeTable;

/// Longest profile that is read, in bytes; a profile is some kilobytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Most mistakes that are looked for in one document; whoever has more is not helped by a longer list.
const MAX_MISTAKES: usize = 60;

/// Something in the text that cannot be read as a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands, in bytes of all texts; empty and 0 when it is about the whole.
    pub span: Range<usize>,
    /// What is wrong, for a person; lower case, no full stop.
    pub what: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Mistake {
    /// The mistake `what` at `span`.
    #[must_use]
    pub fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), help: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
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

/// What a type says about the layers that its document is made of.
pub trait Layered: DeserializeOwned {
    /// Keys of files and folders, like `disk[].file`.
    const PATHS: &'static [&'static str] = &[];
    /// Words at such a key that are no path.
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[];
    /// Keys of programs, like `hook[].run[0]`; a name without a slash is no path.
    const PROGRAMS: &'static [&'static str] = &[];
    /// Arrays of tables, each with a key that names an entry: one of the same name in a layer above changes the entry.
    const SAME: &'static [(&'static str, &'static str)] = &[];

    /// The newest `schema` that this vmrun speaks: of a newer one nothing else is judged, since its keys may mean something
    /// else. `None` for a document without one.
    const NEWEST: Option<i64> = None;

    /// What a guest of the kind `guest` gets unless the profile says otherwise.
    #[must_use]
    fn presets(guest: &str) -> &'static [Preset] {
        let _ = guest;
        &[]
    }
}

/// Reads a profile from its texts.
///
/// # Errors
/// All mistakes of the texts, by place, and what is left of the profile without them; at least one.
pub fn read<T: Layered>(sheets: &Sheets) -> Result<(T, Keys), Box<Rejection<T>>> {
    let layers = layers::of::<T>(sheets).map_err(|mistakes| Box::new(Rejection::of(mistakes)))?;
    let layers::Layers { mut parsed, others, complete, settled } = layers;
    if is_newer::<T>(&parsed.document) {
        return Err(Box::new(Rejection::of(told_alone::<T>(sheets.whole(), parsed))));
    }
    let presets = preset::fill::<T>(&mut parsed.document);
    let keys = Keys::of(&parsed.document, presets.clone());
    let Repaired { value, left, mut finished } =
        repair::deserialise::<T>(sheets.whole(), &mut parsed, complete, T::NEWEST);
    for mut other in others {
        finished &= repair::deserialise::<T>(sheets.whole(), &mut other, complete, T::NEWEST).finished;
        parsed.mistakes.append(&mut other.mistakes);
    }
    match value {
        Some(value) if parsed.mistakes.is_empty() => Ok((value, keys)),
        value => {
            let Parsed { document, mistakes, shortened, .. } = parsed;
            let rest =
                value.filter(|_| settled).and_then(|value| Rest::of(value, &document, &left, shortened, presets));
            Err(Box::new(Rejection { finished, rest, ..Rejection::of(mistakes) }))
        }
    }
}

/// Whether the document has a `schema` that is newer than any that `T` speaks.
fn is_newer<T: Layered>(document: &Document<'_>) -> bool {
    let schema = document.get(&[Turn::Key("schema".to_owned())]).and_then(|schema| schema.get_ref().as_integer());
    let version = schema.and_then(|version| version.as_str().parse::<i64>().ok());
    version.zip(T::NEWEST).is_some_and(|(version, newest)| version > newest)
}

/// What is wrong with the `schema` of a document, which has nothing else then: a text may have more mistakes than are told.
fn told_alone<T: Layered>(text: &str, mut parsed: Parsed<'_>) -> Vec<Mistake> {
    let root = parsed.document.root.get_mut();
    *root = mem::take(root).into_iter().filter(|(key, _)| key.get_ref() == "schema").collect();
    parsed.mistakes.clear();
    parsed.spoiled.clear();
    repair::deserialise::<T>(text, &mut parsed, false, T::NEWEST);
    parsed.mistakes
}

/// The document of a profile that [`read`] takes, with what `T` says about its layers and presets: all texts over each
/// other. Empty when they have mistakes.
#[must_use]
pub fn document<T: Layered>(sheets: &Sheets) -> toml::Table {
    let Ok(layers::Layers { mut parsed, .. }) = layers::of::<T>(sheets) else { return toml::Table::new() };
    preset::fill::<T>(&mut parsed.document);
    repair::deserialise::<toml::Table>(sheets.whole(), &mut parsed, true, None).value.unwrap_or_default()
}

/// The profile as one text that needs no other file: its own as it is, with its comments, if that is all of it.
#[must_use]
pub fn whole<T: Layered>(sheets: &Sheets) -> Option<String> {
    if let Some(text) = sheets.alone() {
        return Some(text.to_owned());
    }
    let mut document = document::<T>(sheets);
    // What they ask for is done, and would be done once more.
    ["extends", "without"].iter().for_each(|key| _ = document.remove(*key));
    toml::to_string(&document).ok()
}

/// The file that the profile in `text` extends, and where it says so.
#[must_use]
pub fn extends(text: &str) -> Option<(String, Range<usize>)> {
    let (root, _) = DeTable::parse_recoverable(text);
    let value = root.get_ref().get("extends")?;
    Some((value.get_ref().as_str()?.to_owned(), value.span()))
}

fn in_order(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by(|a, b| (a.span.start, a.span.end, &a.what).cmp(&(b.span.start, b.span.end, &b.what)));
    // A variant repeats the mistakes of what it is laid over.
    mistakes.dedup();
    mistakes
}

#[cfg(test)]
mod test;
