//! Refusals of commands that read no profile.

use super::Exit;
use super::output::{Output, Weight};
use super::render::finding::{self, Finding, Findings};
use crate::apply::ApplyError;
use crate::plan::{Class, Problem};
use crate::profile::source::{Keys, Sheets};
use anstyle::AnsiColor;
use std::error::Error;
use std::fmt::Write as _;
use std::io::ErrorKind;

/// What to do about a terminal that does not answer.
pub(super) const SILENT: &str = "run it on a terminal; over ssh: ssh -t HOST vmrun …";

/// Tells `problems` in the way they are told of profiles; ends with the code of the worst.
pub(super) fn refuse(problems: &[Problem], output: Output) -> Exit {
    refuse_as(problems, problems.iter().map(|problem| problem.class).min().map_or(Exit::Internal, Exit::from), output)
}

/// The same, and ends with `exit`.
pub(super) fn refuse_as(problems: &[Problem], exit: Exit, output: Output) -> Exit {
    if output.json {
        let sheets = Sheets::new(String::new(), "/", "");
        let findings = problems.iter().map(|problem| Finding::refusal(problem, &Keys::default())).collect();
        let findings = Findings::of(findings);
        return output.answer_json(&finding::json(&sheets, &findings, exit), exit);
    }
    output.say(Weight::Error, &text(problems));
    exit
}

/// Tells that `what` cannot be done and what to do about it, and ends with `exit`, which no class of problems has.
pub(super) fn refuse_with(exit: Exit, what: impl Into<String>, fix: impl Into<String>, output: Output) -> Exit {
    let class = if exit == Exit::Internal { Class::Missing } else { Class::Invalid };
    refuse_as(&[Problem::new(class, "", what).fix(fix)], exit, output)
}

/// Problems that no line of a file is to blame for.
fn text(problems: &[Problem]) -> String {
    let error = AnsiColor::BrightRed.on_default().bold();
    let mut text = String::new();
    for Problem { what, why, fix, .. } in problems {
        _ = writeln!(text, "{error}error{error:#}: {what}");
        for (word, more) in [("why", why), ("fix", fix)].into_iter().filter(|(_, more)| !more.is_empty()) {
            _ = writeln!(text, "  {word}: {}", more.replace('\n', "\n       "));
        }
    }
    text
}

/// Tells a deed that failed, with what the kernel said; nothing else was done.
pub(super) fn failed(error: &ApplyError, output: Output) -> Exit {
    let denied = matches!(error, ApplyError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied);
    // The kernel's words without its number, which the exit code makes up for.
    let said = error.source().map_or(String::new(), |source| {
        let source = source.to_string().to_lowercase();
        format!(": {}", source.split(" (os error").next().unwrap_or_default())
    });
    let problem = match denied {
        true => Problem::new(Class::Denied, "", format!("{error}{said}")).fix("run it as root: sudo vmrun …"),
        false => Problem::new(Class::Missing, "", format!("{error}{said}")),
    };
    refuse(&[problem], output)
}
