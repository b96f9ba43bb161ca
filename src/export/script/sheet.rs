//! The text of a script while it grows.

use super::step;
use crate::plan::{Change, Step};
use std::fmt::Write as _;

/// What is done in order, and by number what takes it back.
#[derive(Default)]
pub(super) struct Sheet {
    /// Lines that are executed from the first to the last.
    pub(super) body: String,
    /// What takes back what is owed: its number, and lines.
    pub(super) owed: Vec<(usize, Vec<String>)>,
}

impl Sheet {
    /// A line.
    pub(super) fn line(&mut self, text: impl AsRef<str>) {
        self.body.push_str(text.as_ref());
        self.body.push('\n');
    }

    /// A paragraph begins, which a comment explains.
    pub(super) fn comment(&mut self, text: &str) {
        let separator = if self.body.is_empty() || self.body.ends_with("\n\n") { "" } else { "\n" };
        _ = writeln!(self.body, "{separator}# {}", text.replace('\n', " "));
    }

    /// What `write` writes, with its numbers in the same row, but not yet in its place.
    pub(super) fn aside(&mut self, write: impl FnOnce(&mut Self)) -> String {
        let before = std::mem::take(&mut self.body);
        write(self);
        std::mem::replace(&mut self.body, before)
    }

    /// `lines` within something.
    pub(super) fn within(&mut self, lines: &str) {
        lines.lines().for_each(|line| self.line(format!("    {line}")));
    }

    /// From here on `lines` are owed.
    pub(super) fn owe(&mut self, lines: Vec<String>) {
        let number = self.number(lines);
        self.line(format!("owe {number}"));
    }

    fn number(&mut self, lines: Vec<String>) -> usize {
        let number = self.owed.len() + 1;
        self.owed.push((number, lines));
        number
    }

    /// A change of the host, which is owed before it is made. Without steps it is none.
    pub(super) fn change(&mut self, change: &Change, failure: &str) {
        let lines = |steps: Vec<Step>| steps.iter().map(step::line).collect::<Vec<_>>();
        let (make, back) = (lines(change.steps()), lines(change.inverse().steps()));
        let Some(test) = change.already() else {
            if !back.is_empty() {
                self.owe(back);
            }
            make.iter().for_each(|line| self.line(format!("{} || {failure}", grouped(line))));
            return;
        };
        let number = self.number(back);
        let (test, not) = (step::command(&test.run), if test.succeeds { "! " } else { "" });
        self.line(format!("if {not}{test}; then"));
        self.line(format!("    owe {number}"));
        make.iter().for_each(|line| self.line(format!("    {} || {failure}", grouped(line))));
        self.line("fi");
    }
}

/// A list of commands as one.
pub(super) fn grouped(line: &str) -> String {
    if line.contains(" || ") { format!("{{ {line}; }}") } else { line.to_owned() }
}
