//! The few words of man(7) that a page needs.

use super::DATE;
use std::fmt::Write as _;

/// A page under construction.
pub(super) struct Roff(String);

impl Roff {
    /// The start of page `title` of `section`.
    pub(super) fn new(title: &str, section: u8, about: &str) -> Self {
        let mut page = Self(String::new());
        page.line(&format!(".TH {title} {section} {DATE} vmrun vmrun"));
        page.line(".SH NAME");
        page.line(&format!("{} \\- {}", escaped(title), escaped(about)));
        page
    }

    /// A section.
    pub(super) fn section(&mut self, title: &str) {
        self.line(&format!(".SH {}", escaped(&title.to_uppercase())));
    }

    /// A part of a section.
    pub(super) fn part(&mut self, title: &str) {
        self.line(&format!(".SS {}", escaped(title)));
    }

    /// A paragraph of prose, in which words between backticks are bold.
    pub(super) fn prose(&mut self, text: &str) {
        let words = text.split('`').enumerate().map(|(at, part)| match at % 2 {
            1 => format!("\\fB{}\\fR", escaped(part)),
            _ => escaped(part),
        });
        self.line(&guarded(&words.collect::<String>()));
    }

    /// The start of a new paragraph, at the indent of the one before.
    pub(super) fn paragraph(&mut self) {
        self.line(".IP");
    }

    /// A term, and beside it what it is; its prose follows.
    pub(super) fn term(&mut self, term: &str, beside: &str) {
        self.line(".TP");
        let gap = if beside.is_empty() { String::new() } else { format!("  {}", escaped(beside)) };
        self.line(&format!("\\fB{}\\fR{gap}", escaped(term)));
    }

    /// A place for lines that stay as they are.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.line(".EX");
        for line in text.lines() {
            self.line(&guarded(&escaped(line)));
        }
        self.line(".EE");
    }

    /// The page.
    pub(super) fn page(self) -> String {
        self.0
    }

    fn line(&mut self, line: &str) {
        _ = writeln!(self.0, "{line}");
    }
}

/// Text without anything that roff would obey, on one line.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\n', " ");
    text.replace('^', "\\(ha").replace('~', "\\(ti")
}

/// A line that is no request, whatever it begins with.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

#[cfg(test)]
mod test {
    use super::Roff;

    #[test]
    fn nothing_of_a_text_is_obeyed() {
        let mut page = Roff::new("x", 5, "about");
        page.prose(".so /etc/passwd \\n `--x`");
        assert!(page.page().ends_with("\n\\&.so /etc/passwd \\en \\fB\\-\\-x\\fR\n"));
    }
}
