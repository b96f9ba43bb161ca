//! What the doctor found.

use super::host::page::{BAD, CARE, FAINT, GOOD, HEAD, Page};
use super::layout::{columns, counted, wrapped};
use crate::doctor::why::Topic;
use crate::doctor::{Finding, Section, Verdict, ids};
use anstyle::Style;
use std::fmt::Write as _;

/// The findings: what fails, then what may hurt, with all that is to be said; what is well in a line for each section, or
/// with `all` in a line for each finding. With terminal colours.
pub(in crate::cli) fn page(findings: &[Finding], all: bool, width: usize) -> String {
    let mut page = Page::new(width);
    for verdict in [Verdict::Fail, Verdict::Warn] {
        for finding in findings.iter().filter(|finding| finding.verdict == verdict) {
            told(&mut page, finding);
        }
    }
    let well: Vec<_> = findings.iter().filter(|finding| finding.verdict == Verdict::Ok).collect();
    if !well.is_empty() {
        page.gap();
        page.head("well");
        for (section, of_section) in sections(&well) {
            folded(&mut page, section, &of_section, all);
        }
    }
    page.gap();
    page.line(&summary(findings));
    page.finish()
}

/// All that can be explained: symptoms, then what `vmrun check` looks at. With terminal colours.
pub(in crate::cli) fn topics(topics: &[Topic], width: usize) -> String {
    let mut page = Page::new(width);
    let is_check = |topic: &&Topic| ids().any(|id| id == topic.id);
    for (head, of_checks) in [("symptoms and questions", false), ("what `vmrun check` looks at", true)] {
        page.gap();
        page.head(head);
        for topic in topics.iter().filter(|topic| is_check(topic) == of_checks) {
            page.row(2, &format!("{:<23}", topic.id), Style::new(), topic.title);
        }
    }
    page.finish()
}

/// A text, filled to the width; what is to be copied stays as it is.
pub(in crate::cli) fn topic(topic: &Topic, width: usize) -> String {
    // Long lines are hard to read.
    let width = width.min(100);
    let mut page = Page::new(width);
    page.head(topic.title);
    page.line("");
    for line in topic.text.lines() {
        match line.strip_prefix("    ") {
            Some(copy) => page.line(&format!("    {copy}")),
            None if line.is_empty() => page.line(""),
            None => prose(&mut page, line, width),
        }
    }
    page.finish()
}

/// A paragraph, or an item of a list whose further lines stand below its text.
fn prose(page: &mut Page, line: &str, width: usize) {
    let mark =
        ["- ", "1. ", "2. ", "3. ", "4. ", "5. ", "6. ", "7. ", "8. "].iter().find(|mark| line.starts_with(**mark));
    let indent = mark.map_or(0, |mark| mark.len());
    for (index, text) in wrapped(&line[indent..], width.saturating_sub(indent)).iter().enumerate() {
        let before = if index == 0 { &line[..indent] } else { "" };
        page.line(&format!("{before:indent$}{text}"));
    }
}

fn style(verdict: Verdict) -> (Style, &'static str) {
    match verdict {
        Verdict::Fail => (BAD, "fail"),
        Verdict::Warn => (CARE, "warn"),
        Verdict::Ok => (GOOD, "ok"),
    }
}

fn told(page: &mut Page, finding: &Finding) {
    let Finding { id, section, verdict, what, read, why, fix } = finding;
    let (colour, word) = style(*verdict);
    page.gap();
    page.row(0, word, colour, what);
    page.row(2, "id", HEAD, &format!("{id}  ({})", section.title()));
    page.row(2, "read", FAINT, read);
    page.row(2, "why", FAINT, why);
    for (index, line) in fix.lines().enumerate() {
        let label = if index == 0 { "fix" } else { "" };
        match COMMANDS.iter().any(|command| line.starts_with(command)) {
            true => page.command(2, label, line),
            false => page.row(2, label, Style::new(), line),
        }
    }
}

/// How lines begin that are to be given to a shell.
const COMMANDS: [&str; 4] = ["sudo ", "echo ", "vmrun ", "virsh "];

/// Findings by their section, in the order of the sections.
fn sections<'a>(findings: &[&'a Finding]) -> Vec<(Section, Vec<&'a Finding>)> {
    let mut sections: Vec<(Section, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        match sections.last_mut().filter(|(section, _)| *section == finding.section) {
            Some((_, list)) => list.push(finding),
            None => sections.push((finding.section, vec![finding])),
        }
    }
    sections
}

fn folded(page: &mut Page, section: Section, findings: &[&Finding], all: bool) {
    if all {
        for finding in findings {
            let label = format!("{:<23}", finding.id);
            page.row(2, &label, GOOD, &finding.what);
        }
        return;
    }
    let mut ids: Vec<_> = findings.iter().map(|finding| finding.id).collect();
    ids.dedup();
    page.row(2, &format!("{:<19}", section.title()), GOOD, &ids.join(", "));
}

fn summary(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (fails, warns, oks) = (count(Verdict::Fail), count(Verdict::Warn), count(Verdict::Ok));
    let mut text = format!("{}, {}", counted(fails, "fault"), counted(warns, "warning"));
    if oks > 0 {
        _ = write!(text, ", {oks} ok");
    }
    if fails + warns > 0 {
        _ = write!(text, "; `vmrun why ID` explains");
    }
    debug_assert!(columns(&text) < 60, "it fits every terminal");
    text
}
