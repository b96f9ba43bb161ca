//! A page about the host: headings, labelled rows, and tables whose cells may be coloured.

use super::super::layout::{columns, command, wrapped};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

/// Headings.
pub(in crate::cli::render) const HEAD: Style = Style::new().bold();
/// What is well.
pub(in crate::cli::render) const GOOD: Style = AnsiColor::Green.on_default();
/// What needs care.
pub(in crate::cli::render) const CARE: Style = AnsiColor::Yellow.on_default();
/// What cannot be.
pub(in crate::cli::render) const BAD: Style = AnsiColor::Red.on_default();
/// What is there for the sake of completeness.
pub(in crate::cli::render) const FAINT: Style = Style::new().dimmed();
/// What has no style.
pub(in crate::cli::render) const PLAIN: Style = Style::new();

/// Columns of a label before its text.
const LABEL: usize = 10;

/// A page that grows downwards and is no wider than the terminal.
pub(in crate::cli::render) struct Page {
    text: String,
    width: usize,
}

impl Page {
    pub(in crate::cli::render) fn new(width: usize) -> Self {
        Self { text: String::new(), width }
    }

    pub(in crate::cli::render) fn finish(self) -> String {
        self.text
    }

    /// An empty line, unless the page begins here.
    pub(in crate::cli::render) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A heading, wrapped.
    pub(in crate::cli::render) fn head(&mut self, text: &str) {
        self.styled(0, HEAD, text);
    }

    /// `text` in `style` below `indent` columns; what is wrapped stands two columns further in.
    pub(in crate::cli::render) fn styled(&mut self, indent: usize, style: Style, text: &str) {
        let lines = wrapped(text, self.width.saturating_sub(indent + 2));
        for (index, line) in lines.iter().enumerate() {
            let indent = indent + if index > 0 { 2 } else { 0 };
            _ = writeln!(self.text, "{:indent$}{style}{line}{style:#}", "");
        }
    }

    /// `text` with the name `label` before it, below `indent` columns; what is wrapped stands below the text.
    pub(in crate::cli::render) fn row(&mut self, indent: usize, label: &str, style: Style, text: &str) {
        let column = indent + LABEL.max(columns(label) + 1);
        let before = column - indent;
        let lines = wrapped(text, self.width.saturating_sub(column));
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            _ = writeln!(self.text, "{:indent$}{FAINT}{label:before$}{FAINT:#}{style}{line}{style:#}", "");
        }
    }

    /// Lines that are to be copied as they are.
    pub(in crate::cli::render) fn paste(&mut self, indent: usize, label: &str, lines: &[String]) {
        let before = LABEL.max(columns(label) + 1);
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            _ = writeln!(self.text, "{:indent$}{FAINT}{label:before$}{FAINT:#}{line}", "");
        }
    }

    /// A shell command with the name `label` before it; where it is wrapped, the line is continued for the shell.
    pub(in crate::cli::render) fn command(&mut self, indent: usize, label: &str, text: &str) {
        let before = LABEL.max(columns(label) + 1);
        let mut lines = String::new();
        command(&mut lines, 0, self.width.saturating_sub(indent + before), text);
        for (index, line) in lines.lines().enumerate() {
            let label = if index == 0 { label } else { "" };
            _ = writeln!(self.text, "{:indent$}{FAINT}{label:before$}{FAINT:#}{line}", "");
        }
    }

    /// A line as it is; the caller knows that it fits.
    pub(in crate::cli::render) fn line(&mut self, text: &str) {
        _ = writeln!(self.text, "{}", text.trim_end());
    }

    /// Columns of the page.
    pub(in crate::cli::render) fn width(&self) -> usize {
        self.width
    }
}
