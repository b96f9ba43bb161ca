//! What is kept of a program's output.

use super::lines::boundary;
use std::fmt;

/// Bytes kept of the beginning, and as many of the end.
const LIMIT: usize = 64 << 10;

/// Beginning and end of an output, in bounded memory; `Display` shows both and how much is left out between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    head: String,
    tail: String,
    left_out: u64,
}

impl Kept {
    /// The last `count` lines, or fewer.
    #[must_use]
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let all: Vec<&str> = self.head.lines().chain(self.tail.lines()).collect();
        all[all.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// Appends whole lines.
    pub(super) fn push(&mut self, lines: &str) {
        let rest = if self.tail.is_empty() { self.fill_head(lines) } else { lines };
        self.tail.push_str(rest);
        // Cut seldom, so that a flood costs one move for each `LIMIT` bytes.
        if self.tail.len() > 2 * LIMIT {
            self.cut();
        }
    }

    /// Takes as many of the lines as fit, and gives back the others.
    fn fill_head<'a>(&mut self, lines: &'a str) -> &'a str {
        let room = LIMIT - self.head.len();
        let end = if lines.len() <= room {
            lines.len()
        } else {
            lines[..boundary(lines, room)].rfind('\n').map_or(0, |at| at + 1)
        };
        self.head.push_str(&lines[..end]);
        &lines[end..]
    }

    fn cut(&mut self) {
        let from = boundary(&self.tail, self.tail.len() - LIMIT);
        let from = self.tail[from..].find('\n').map_or(from, |at| from + at + 1);
        self.left_out += from as u64;
        self.tail.drain(..from);
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        if self.left_out > 0 {
            writeln!(f, "[{} bytes left out]", self.left_out)?;
        }
        f.write_str(&self.tail)
    }
}

#[cfg(test)]
mod test {
    use super::{Kept, LIMIT};

    #[test]
    fn a_short_output_is_kept_whole() {
        let mut kept = Kept::default();
        kept.push("one\ntwo\n");
        kept.push("three\n");
        assert_eq!(kept.to_string(), "one\ntwo\nthree\n");
        assert_eq!(kept.last_lines(2), ["two", "three"]);
    }

    #[test]
    fn a_flood_keeps_its_beginning_and_its_end() {
        let mut kept = Kept::default();
        let line = |n: u32| format!("{n:07}\n");
        (0..100_000).for_each(|n| kept.push(&line(n)));
        let text = kept.to_string();
        assert!(text.starts_with("0000000\n") && text.ends_with("0099999\n"));
        assert!(text.len() < 4 * LIMIT, "{}", text.len());
        let shown = kept.head.len() + kept.tail.len();
        assert_eq!(shown as u64 + kept.left_out, 800_000);
        assert!(text.lines().all(|line| line.len() == 7 || line.contains("left out")));
    }
}
