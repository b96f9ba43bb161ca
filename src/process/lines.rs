//! Bytes of a program cut into lines that a terminal can be given.

use std::borrow::Cow;
use std::fmt::Write;

/// Longest line; what is beyond is left out.
pub(super) const LONGEST: usize = 4096;

/// Cuts bytes into escaped lines, across reads.
#[derive(Default)]
pub(super) struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Appends to `out` the lines that `bytes` end, each with its line feed.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, whole) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            // One byte more than a line may have, so that the cut is seen.
            let room = (LONGEST + 1).saturating_sub(self.open.len());
            self.open.extend_from_slice(&piece[..piece.len().min(room)]);
            if whole {
                self.close(out);
            }
        }
    }

    /// Appends the last line, when it has no line feed.
    pub(super) fn finish(&mut self, out: &mut String) {
        if !self.open.is_empty() {
            self.close(out);
        }
    }

    fn close(&mut self, out: &mut String) {
        let line = self.open.strip_suffix(b"\r").unwrap_or(&self.open);
        out.push_str(&cut(escaped(line)));
        out.push('\n');
        self.open.clear();
    }
}

/// `bytes` as text without anything that a terminal obeys: control characters, C1 ones among them, the marks that
/// turn the writing direction, and bytes that are not UTF-8 are written as `\x1b` or `\u{202e}`. A tab stays.
#[must_use]
pub fn escaped(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(obeyed) => Cow::Borrowed(text),
        _ => Cow::Owned(escape(bytes)),
    }
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(&mut text, character);
        }
        for byte in chunk.invalid() {
            let _infallible = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn push(text: &mut String, character: char) {
    let _infallible = match character {
        _ if !obeyed(character) => write!(text, "{character}"),
        '\0'..='\x7f' => write!(text, "\\x{:02x}", u32::from(character)),
        _ => write!(text, "\\u{{{:x}}}", u32::from(character)),
    };
}

fn obeyed(character: char) -> bool {
    let turns_direction = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && character != '\t') || turns_direction
}

fn cut(line: Cow<'_, str>) -> Cow<'_, str> {
    if line.len() <= LONGEST {
        return line;
    }
    Cow::Owned(format!("{} …", &line[..boundary(&line, LONGEST)]))
}

/// The last boundary between characters at or before byte `at`.
pub(super) fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod test {
    use super::{LONGEST, Lines, escaped};

    fn lines(pieces: &[&[u8]]) -> String {
        let (mut lines, mut out) = (Lines::default(), String::new());
        for piece in pieces {
            lines.push(piece, &mut out);
        }
        lines.finish(&mut out);
        out
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        assert_eq!(lines(&[b"on", b"e\r\ntw", b"o\n", b"\nthree"]), "one\ntwo\n\nthree\n");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_passes() {
        assert_eq!(escaped(b"\x1b[31mred\x07\x00\x7f"), "\\x1b[31mred\\x07\\x00\\x7f");
        assert_eq!(escaped("\u{9b}31m \u{202e}".as_bytes()), "\\u{9b}31m \\u{202e}");
        assert_eq!(escaped(b"a\xff\xfeb\tc\xc3"), "a\\xff\\xfeb\tc\\xc3");
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let long = lines(&[&vec![b'x'; LONGEST], b"y", &vec![b'z'; 100_000], b"\nnext\n"]);
        assert_eq!(long, format!("{} …\nnext\n", "x".repeat(LONGEST)));
        assert_eq!(lines(&[&vec![b'x'; LONGEST], b"\n"]), format!("{}\n", "x".repeat(LONGEST)));
    }

    #[test]
    fn a_cut_does_not_split_a_character() {
        let long = lines(&["ä".repeat(LONGEST).as_bytes()]);
        assert_eq!(long, format!("{} …\n", "ä".repeat(LONGEST / 2)));
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_passes_whatever_the_bytes(bytes: Vec<u8>) {
            let text = lines(&[&bytes]);
            proptest::prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }
    }
}
