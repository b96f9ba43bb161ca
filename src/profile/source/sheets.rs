//! The texts that one profile is made of: its file, the files it extends, and words of the command line.

use super::Mistake;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// All texts of a profile, one behind the other, so that one number says the text and the byte in it.
///
/// The profile's own file comes first, then the file that it extends, then the file that this one extends. They are kept
/// with a run, as what its guest was started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sheets {
    text: String,
    sheets: Vec<Sheet>,
    /// Of a profile that was run there are none.
    #[serde(skip)]
    mistakes: Vec<Mistake>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sheet {
    name: String,
    kind: Kind,
    range: Range<usize>,
}

/// What a text is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A file in this folder.
    File(PathBuf),
    /// A word after `--variant`.
    Variant,
    /// An assignment after `--set`.
    Set,
}

/// A part of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'s> {
    /// The file's path as the user wrote it, or the option.
    pub name: &'s str,
    /// The whole text.
    pub text: &'s str,
    /// The part, in bytes of this text.
    pub span: Range<usize>,
    /// Line of its start, from 1.
    pub line: usize,
    /// Column of its start, from 1, in characters.
    pub column: usize,
    /// Whether it is the profile's own file.
    pub own: bool,
}

impl Sheets {
    /// The profile's own file, `name` as the user wrote it, in the absolute folder `dir`.
    #[must_use]
    pub fn new(name: impl Into<String>, dir: impl Into<PathBuf>, text: &str) -> Self {
        let mut sheets = Self { text: String::new(), sheets: Vec::new(), mistakes: Vec::new() };
        sheets.add(name.into(), Kind::File(dir.into()), text);
        sheets
    }

    /// Adds the file that the last one extends.
    pub fn base(&mut self, name: impl Into<String>, dir: impl Into<PathBuf>, text: &str) {
        self.add(name.into(), Kind::File(dir.into()), text);
    }

    /// Adds a word of the command line that names a variant.
    pub fn variant(&mut self, word: &str) {
        self.add("--variant".into(), Kind::Variant, word);
    }

    /// Adds an assignment of the command line, like `cpu.cores=6`.
    pub fn set(&mut self, assignment: &str) {
        self.add("--set".into(), Kind::Set, assignment);
    }

    /// Notes a mistake that was found while the last text was read; its place is in bytes of that text.
    pub fn mistake(&mut self, mistake: Mistake) {
        let start = self.sheets.last().map_or(0, |sheet| sheet.range.start);
        let Mistake { span, what, help } = mistake;
        self.mistakes.push(Mistake { span: span.start + start..span.end + start, what, help });
    }

    /// The path of the profile's own file, as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.sheets.first().map_or("", |sheet| &sheet.name)
    }

    /// The text of the profile's own file, if nothing lies below or above it.
    #[must_use]
    pub fn alone(&self) -> Option<&str> {
        match &self.sheets[..] {
            [only] => Some(&self.text[only.range.clone()]),
            _ => None,
        }
    }

    /// The files among the texts, as absolute paths.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.sheets.iter().filter_map(|Sheet { name, kind, .. }| match kind {
            Kind::File(dir) => Some(dir.join(Path::new(name).file_name()?)),
            Kind::Variant | Kind::Set => None,
        })
    }

    /// The variants that were asked for on the command line, and the assignments that were made there.
    #[must_use]
    pub fn words(&self) -> (Vec<String>, Vec<String>) {
        let of = |kind: Kind| self.sheets.iter().filter(move |sheet| sheet.kind == kind);
        let words = |kind| of(kind).map(|sheet| self.text[sheet.range.clone()].to_owned()).collect();
        (words(Kind::Variant), words(Kind::Set))
    }

    /// The part of a text that `span` means, cut to that text.
    #[must_use]
    pub fn shown(&self, span: &Range<usize>) -> Shown<'_> {
        let index = self.sheets.iter().rposition(|sheet| sheet.range.start <= span.start).unwrap_or_default();
        let Sheet { name, range, .. } = &self.sheets[index];
        let text = &self.text[range.clone()];
        let within = |offset: usize| character(text, offset.saturating_sub(range.start));
        let local = within(span.start)..within(span.end).max(within(span.start));
        let before = &text[..local.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Shown { name, text, span: local, line, column, own: index == 0 }
    }

    /// All texts as one.
    pub(super) fn whole(&self) -> &str {
        &self.text
    }

    /// The texts with their kind and where each starts in the whole.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Kind, usize, &str)> {
        self.sheets.iter().map(|Sheet { kind, range, .. }| (kind, range.start, &self.text[range.clone()]))
    }

    /// The folder of the profile's own file.
    pub(super) fn dir(&self) -> &Path {
        match self.sheets.first().map(|sheet| &sheet.kind) {
            Some(Kind::File(dir)) => dir,
            _ => Path::new("/"),
        }
    }

    /// What was noted while the texts were read.
    pub(super) fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    fn add(&mut self, name: String, kind: Kind, text: &str) {
        if !self.sheets.is_empty() {
            // So that no place is in two texts, not even an empty one at the end.
            self.text.push('\n');
        }
        let start = self.text.len();
        self.text.push_str(text);
        self.sheets.push(Sheet { name, kind, range: start..self.text.len() });
    }
}

/// The start of the character of `text` that the byte `offset` is in.
fn character(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

#[cfg(test)]
mod test {
    use super::Sheets;

    #[test]
    fn a_place_is_found_in_its_text() {
        let mut sheets = Sheets::new("a.toml", "/vm", "x = 1\ny = 2\n");
        sheets.base("b.toml", "/vm", "é = 3");
        let at = |needle: &str| {
            let start = sheets.whole().find(needle).unwrap();
            let shown = sheets.shown(&(start..start + needle.len()));
            (shown.name.to_owned(), shown.line, shown.column, shown.own, shown.text[shown.span].to_owned())
        };
        assert_eq!(at("2"), ("a.toml".into(), 2, 5, true, "2".into()));
        assert_eq!(at("3"), ("b.toml".into(), 1, 5, false, "3".into()));
    }

    #[test]
    fn a_place_beyond_all_texts_is_the_end_of_the_last() {
        let sheets = Sheets::new("a.toml", "/vm", "x");
        assert_eq!(sheets.shown(&(usize::MAX..usize::MAX)).span, 1..1);
    }
}
