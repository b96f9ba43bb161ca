//! The report of `vmrun import` as text.

use crate::import::{Fate, Import};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

/// What became of each piece: first what needs a decision or is lost, then how the rest was translated.
pub(in crate::cli) fn text(made: &Import, width: usize) -> String {
    let mut out = String::new();
    let groups = [
        ("to decide", "asked in the profile, commented out", AnsiColor::Yellow),
        ("dropped", "not in the profile", AnsiColor::Red),
        ("translated", "in the profile in another way", AnsiColor::Cyan),
        ("not needed", "left out, and not missed", AnsiColor::BrightBlack),
    ];
    for (word, meaning, color) in groups {
        let entries: Vec<_> = made.report.entries.iter().filter(|entry| entry.fate.word() == word).collect();
        if entries.is_empty() {
            continue;
        }
        let style = color.on_default().bold();
        _ = writeln!(out, "{style}{word}{style:#}: {meaning}");
        for entry in entries {
            _ = writeln!(out, "{}", line(entry.line, &entry.what, entry.fate.why(), width));
        }
    }
    kept(made, width, &mut out);
    let counts = ["kept", "translated", "not needed", "dropped", "to decide"];
    let counts: Vec<_> = counts.iter().map(|word| format!("{} {word}", made.report.count(word))).collect();
    let whole = if made.report.is_complete() { "complete" } else { "incomplete" };
    let bold = Style::new().bold();
    _ = writeln!(out, "{bold}{whole}{bold:#}: {}, {}", made.kind.as_str(), counts.join(", "));
    out
}

/// What is kept has nothing to be said about it; the lines are named.
fn kept(made: &Import, width: usize, out: &mut String) {
    let mut lines: Vec<usize> =
        made.report.entries.iter().filter(|entry| entry.fate == Fate::Kept).map(|entry| entry.line).collect();
    lines.dedup();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 >= line => *last = line,
            _ => runs.push((line, line)),
        }
    }
    if runs.is_empty() {
        return;
    }
    let shown =
        runs.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    let text = format!("kept as it is: lines {}", shown.collect::<Vec<_>>().join(", "));
    _ = writeln!(out, "{}", wrapped(&text, 2, width).trim_start());
}

fn line(line: usize, what: &str, why: &str, width: usize) -> String {
    let what = shortened(what, width.saturating_sub(10));
    let number = if line == 0 { String::new() } else { line.to_string() };
    let head = format!("  {number:>4}  {what}");
    match head.chars().count() + why.chars().count() + 2 <= width {
        true => format!("{head}: {why}"),
        false => format!("{head}\n{}", wrapped(why, 10, width)),
    }
}

/// At most `most` characters, without what could move the cursor.
fn shortened(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match plain.chars().count() > most {
        true => plain.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => plain,
    }
}

fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut out = " ".repeat(indent);
    let mut column = indent;
    for (i, word) in text.split_whitespace().enumerate() {
        let long = word.chars().count();
        if i > 0 && column + 1 + long > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out.extend(word.chars().filter(|c| !c.is_control()));
        column += long;
    }
    out
}
