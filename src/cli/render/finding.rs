//! Mistakes in a file and problems of a plan, with the line they are about.

use super::layout::counted;
use crate::cli::Exit;
use crate::plan::{Class, Problem};
use crate::profile::source::{Keys, Mistake, Sheets, Shown};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::ops::Range;

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

    /// What puts findings in order: first what is wrong, then what is odd; each by file and line.
    fn turn(&self) -> (bool, usize) {
        (self.warning, self.span.as_ref().map_or(0, |span| span.start))
    }

    fn title(&self) -> String {
        match self.problem.at.as_str() {
            "" => bounded(&self.problem.what),
            at => bounded(&format!("{at}: {}", self.problem.what)),
        }
    }
}

/// Most findings that are told; a longer list helps nobody.
const MOST: usize = 50;

/// All that is to be told about a profile, in the order of the texts.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Findings {
    told: Vec<Finding>,
    /// How many more there are.
    more: usize,
    /// Whether all were looked for.
    finished: bool,
}

impl Findings {
    /// The first of `findings`.
    pub(in crate::cli) fn of(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(Finding::turn);
        let more = findings.len().saturating_sub(MOST);
        findings.truncate(MOST);
        Self { told: findings, more, finished: true }
    }

    /// With `more` of them.
    pub(in crate::cli) fn and(self, more: impl Iterator<Item = Finding>) -> Self {
        let untold = self.more;
        let all = Self::of(self.told.into_iter().chain(more).collect());
        Self { more: all.more + untold, finished: self.finished, ..all }
    }

    /// The same; unless `finished`, there are more that nobody looked for.
    pub(in crate::cli) fn and_more_unless(self, finished: bool) -> Self {
        Self { finished, ..self }
    }

    /// Whether there is nothing to tell.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// At least how many are not told.
    fn more(&self) -> usize {
        if self.finished { self.more } else { self.more.max(1) }
    }
}

/// The findings about the texts for a person, then a line that counts them and says what has become of the host. With
/// terminal colours.
pub(in crate::cli) fn text(sheets: &Sheets, findings: &Findings, width: usize) -> String {
    let renderer = Renderer::styled().term_width(width);
    let mut text = String::new();
    for finding in &findings.told {
        _ = writeln!(text, "{}\n", renderer.render(&[group(sheets, finding)]));
    }
    text + &summary(sheets, findings)
}

/// The findings about the texts as JSON, with the exit code they lead to.
pub(in crate::cli) fn json(sheets: &Sheets, findings: &Findings, exit: Exit) -> Value {
    let (warnings, problems): (Vec<_>, Vec<_>) = findings.told.iter().partition(|finding| finding.warning);
    let list =
        |findings: Vec<&Finding>| findings.into_iter().map(|finding| record(sheets, finding)).collect::<Vec<_>>();
    json!({
        "v": 1, "file": sheets.name(), "problems": list(problems), "warnings": list(warnings), "more": findings.more(), "exit": exit.code(),
    })
}

fn group<'a>(sheets: &'a Sheets, finding: &'a Finding) -> Group<'a> {
    let level = if finding.warning { Level::WARNING } else { Level::ERROR };
    let mut group = level.primary_title(finding.title()).element(place(sheets, finding));
    let Problem { why, fix, .. } = &finding.problem;
    for (name, text) in [("why", why), ("fix", fix)] {
        if !text.is_empty() {
            group = group.element(Level::NOTE.with_name(name).message(bounded(text)));
        }
    }
    group
}

/// `text`, without its middle when it repeats a text of the profile that fills the screen.
fn bounded(text: &str) -> String {
    const LONGEST: usize = 1200;
    let count = text.chars().count();
    if count <= LONGEST {
        return text.to_owned();
    }
    let part = |range: std::ops::Range<usize>| text.chars().skip(range.start).take(range.len()).collect::<String>();
    format!("{}… {} characters …{}", part(0..300), count - 600, part(count - 300..count))
}

fn place<'a>(sheets: &'a Sheets, finding: &Finding) -> Element<'a> {
    match finding.span.as_ref().map(|span| sheets.shown(span)) {
        Some(Shown { name, text, span, line, .. }) if !text.is_empty() => {
            let (start, end) = line_around(text, &span);
            let annotation = AnnotationKind::Primary.span(span.start - start..span.end.min(end) - start);
            Snippet::source(&text[start..end]).line_start(line).path(name).annotation(annotation).into()
        }
        _ => Origin::path(sheets.name()).into(),
    }
}

/// The first line of `span`, since what follows is rarely what is meant; of a line that fills the screen, its beginning.
fn line_around(text: &str, span: &Range<usize>) -> (usize, usize) {
    const LONGEST: usize = 4096;
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.start..].find('\n').map_or(text.len(), |length| span.start + length);
    let most = (0..=end.min(span.start + LONGEST)).rev().find(|at| text.is_char_boundary(*at));
    (start, most.unwrap_or(end))
}

fn record(sheets: &Sheets, finding: &Finding) -> Value {
    let Problem { at, what, why, fix, class } = &finding.problem;
    let shown = finding.span.as_ref().map(|span| sheets.shown(span));
    let file = shown.as_ref().map_or(sheets.name(), |shown| shown.name);
    let (line, column) = (shown.as_ref().map(|shown| shown.line), shown.as_ref().map(|shown| shown.column));
    json!({
        "at": at, "file": file, "line": line, "column": column, "what": what, "why": why, "fix": fix, "class": class,
    })
}

fn summary(sheets: &Sheets, findings: &Findings) -> String {
    let Findings { told, .. } = findings;
    let warnings = told.iter().filter(|finding| finding.warning).count();
    let problems = told.len() - warnings;
    let counts = [(problems, "problem"), (warnings, "warning")];
    let counts: Vec<_> =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(count, noun)).collect();
    let state = if problems > 0 { "; nothing was started, nothing on the host was changed" } else { "" };
    let more = match findings.more() {
        0 => String::new(),
        more => format!(", and at least {more} more"),
    };
    format!("{}: {}{more}{state}\n", sheets.name(), counts.join(" and "))
}
