//! Mistakes in a file and problems of a plan, with the line they are about.

use super::layout::counted;
use crate::cli::Exit;
use crate::plan::{Class, Problem};
use crate::profile::source::{Keys, Mistake};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::ops::Range;

/// A file and its text.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Sheet {
    /// Its path as the user wrote it.
    pub(in crate::cli) name: String,
    /// Its text; what is not UTF-8 replaced.
    pub(in crate::cli) text: String,
}

/// Something to be told about a profile.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Finding {
    problem: Problem,
    span: Option<Range<usize>>,
    warning: bool,
}

impl Finding {
    /// A mistake in the text; one with an empty place at its start is about the whole.
    pub(in crate::cli) fn mistake(Mistake { span, what, help }: Mistake) -> Self {
        let problem = Problem::new(Class::Invalid, "", what).fix(help.unwrap_or_default());
        Self { problem, span: Some(span).filter(|span| *span != (0..0)), warning: false }
    }

    /// A reason to refuse, placed by its key.
    pub(in crate::cli) fn refusal(problem: &Problem, keys: &Keys) -> Self {
        Self { span: keys.span_of(&problem.at), problem: problem.clone(), warning: false }
    }

    /// Something to know although nothing is refused.
    pub(in crate::cli) fn warning(problem: &Problem, keys: &Keys) -> Self {
        Self { warning: true, ..Self::refusal(problem, keys) }
    }

    fn title(&self) -> String {
        match self.problem.at.as_str() {
            "" => self.problem.what.clone(),
            at => format!("{at}: {}", self.problem.what),
        }
    }
}

/// The findings about `sheet` for a person, then a line that counts them and says what has become of the host. With
/// terminal colours.
pub(in crate::cli) fn text(sheet: &Sheet, findings: &[Finding], width: usize) -> String {
    let renderer = Renderer::styled().term_width(width);
    let mut text = String::new();
    for finding in findings {
        _ = writeln!(text, "{}\n", renderer.render(&[group(sheet, finding)]));
    }
    text + &summary(sheet, findings)
}

/// The findings about `sheet` as JSON, with the exit code they lead to.
pub(in crate::cli) fn json(sheet: &Sheet, findings: &[Finding], exit: Exit) -> Value {
    let (warnings, problems): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.warning);
    let list = |findings: Vec<&Finding>| findings.into_iter().map(|finding| record(sheet, finding)).collect::<Vec<_>>();
    json!({
        "v": 1, "file": sheet.name, "problems": list(problems), "warnings": list(warnings), "exit": exit.code(),
    })
}

fn group<'a>(sheet: &'a Sheet, finding: &'a Finding) -> Group<'a> {
    let level = if finding.warning { Level::WARNING } else { Level::ERROR };
    let mut group = level.primary_title(finding.title()).element(place(sheet, finding));
    let Problem { why, fix, .. } = &finding.problem;
    for (name, text) in [("why", why), ("fix", fix)] {
        if !text.is_empty() {
            group = group.element(Level::NOTE.with_name(name).message(text));
        }
    }
    group
}

fn place<'a>(sheet: &'a Sheet, finding: &Finding) -> Element<'a> {
    match finding.span.clone() {
        Some(span) if !sheet.text.is_empty() => {
            let span = within(&sheet.text, span);
            let annotation = AnnotationKind::Primary.span(span);
            Snippet::source(&sheet.text).path(&sheet.name).annotation(annotation).into()
        }
        _ => Origin::path(&sheet.name).into(),
    }
}

/// `span` cut to whole characters of its first line, since what follows is rarely what is meant.
fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let start = character(text, span.start);
    let line = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let end = character(text, span.end.max(start)).min(line);
    start..end
}

/// The start of the character of `text` that the byte `offset` is in.
fn character(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

fn record(sheet: &Sheet, finding: &Finding) -> Value {
    let Problem { at, what, why, fix, class } = &finding.problem;
    let (line, column) = finding.span.as_ref().map_or((None, None), |span| {
        let (line, column) = position(&sheet.text, span.start);
        (Some(line), Some(column))
    });
    json!({ "at": at, "line": line, "column": column, "what": what, "why": why, "fix": fix, "class": class })
}

/// Line and column of a byte, both from 1; columns in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..character(text, offset)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

fn summary(sheet: &Sheet, findings: &[Finding]) -> String {
    let warnings = findings.iter().filter(|finding| finding.warning).count();
    let problems = findings.len() - warnings;
    let counts = [(problems, "problem"), (warnings, "warning")];
    let counts: Vec<_> =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(count, noun)).collect();
    let state = if problems > 0 { "; nothing was started, nothing on the host was changed" } else { "" };
    format!("{}: {}{state}\n", sheet.name, counts.join(" and "))
}
