//! Edits of files as the unified diff that `diff -u` and `patch` know.

use crate::plan::FileEdit;
use anstyle::{AnsiColor, Style};
use diffy::{DiffOptions, PatchFormatter};
use std::fmt::Write as _;

/// The edits, with terminal colours.
pub(in crate::cli) fn diff(edits: &[FileEdit]) -> String {
    edits.iter().map(one).collect()
}

fn one(edit: &FileEdit) -> String {
    let path = edit.path.display().to_string();
    let name = |there: bool| if there { path.as_str() } else { "/dev/null" };
    let texts = (edit.from.as_deref().unwrap_or_default(), edit.to.as_deref().unwrap_or_default());
    unified(texts, (name(edit.from.is_some()), name(edit.to.is_some())))
}

/// What makes the second of two texts of the first, under their names; empty when they are one.
pub(in crate::cli) fn unified((from, to): (&str, &str), names: (&str, &str)) -> String {
    let mut options = DiffOptions::new();
    options.set_original_filename(names.0.to_owned()).set_modified_filename(names.1.to_owned());
    let patch = options.create_patch(from, to);
    if patch.hunks().is_empty() {
        return String::new();
    }
    // As `diff` writes an empty line that stays.
    let text = PatchFormatter::new().suppress_blank_empty(false).fmt_patch(&patch).to_string();
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
