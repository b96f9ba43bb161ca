//! Edits of files as the unified diff that `diff -u` and `patch` know.

use crate::plan::FileEdit;
use anstyle::{AnsiColor, Style};
use similar::TextDiff;
use std::fmt::Write as _;

/// The edits, with terminal colours.
pub(in crate::cli) fn diff(edits: &[FileEdit]) -> String {
    edits.iter().map(one).collect()
}

fn one(edit: &FileEdit) -> String {
    let (from, to) = (edit.from.as_deref().unwrap_or_default(), edit.to.as_deref().unwrap_or_default());
    let path = edit.path.display().to_string();
    let name = |there: bool| if there { path.as_str() } else { "/dev/null" };
    let diff = TextDiff::from_lines(from, to);
    let text = diff.unified_diff().header(name(edit.from.is_some()), name(edit.to.is_some())).to_string();
    text.lines().fold(String::new(), |mut text, line| {
        let style = style(line);
        _ = writeln!(text, "{style}{line}{style:#}");
        text
    })
}

fn style(line: &str) -> Style {
    match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Style::new().bold(),
        [b'+', ..] => AnsiColor::Green.on_default(),
        [b'-', ..] => AnsiColor::Red.on_default(),
        [b'@', ..] => AnsiColor::Cyan.on_default(),
        _ => Style::new(),
    }
}
