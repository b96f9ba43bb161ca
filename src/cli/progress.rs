//! What a run shows while it goes on.

use super::output::{Output, Weight};
use crate::supervise::{Notice, ServiceNews, Speaker};
use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// Takes the notices of a run: stages are gathered in one line, the rest is told as it comes. Quiet, only what is odd
/// is told; as JSON, each notice is a line on standard output.
pub(super) struct Progress {
    name: String,
    output: Output,
    /// Whether a person looks on.
    watched: bool,
    stages: RefCell<Vec<String>>,
}

impl Progress {
    pub(super) fn new(name: &str, output: Output) -> Self {
        Self { name: name.to_owned(), output, watched: stderr().is_terminal(), stages: RefCell::new(Vec::new()) }
    }

    /// Takes one notice.
    pub(super) fn tell(&self, notice: &Notice) {
        if self.output.json {
            let line = serde_json::to_string(notice).unwrap_or_default();
            _ = self.output.answer(&format!("{line}\n"), super::Exit::Good);
            return;
        }
        match notice {
            Notice::Stage { what, took } => {
                self.stages.borrow_mut().push(format!("{what} {}", millis(*took)));
                if matches!(what.as_str(), "guest running" | "guest taken over") || *took > LONG {
                    self.finish();
                }
            }
            Notice::Pinned { threads, took } => {
                self.stages.borrow_mut().push(format!("pinned {} threads {}", threads.len(), millis(*took)));
            }
            Notice::Waiting { what, since } => {
                self.line(Weight::Info, &format!("{}: waiting for {what} ({:.0} s)", self.name, since.as_secs_f64()));
            }
            // A chatty companion is for who looks on; its log has it in any case.
            Notice::Output { by: Speaker::Companion, .. } if !self.watched => {}
            Notice::Output { from, line, .. } => self.line(Weight::Info, &format!("{from} | {line}")),
            Notice::Guest { line } => self.line(Weight::Info, &format!("guest | {line}")),
            Notice::Service { name, what } => self.news(name, what),
            // For programs; a person is told what matters of it.
            Notice::Event { .. } | Notice::State(_) | Notice::Ended(_) => {}
            Notice::Note(text) => self.line(Weight::Info, &format!("{}: {text}", self.name)),
            Notice::Warning(text) => self.line(Weight::Warning, &format!("{}: warning: {text}", self.name)),
        }
    }

    /// Shows the stages that wait for their line.
    pub(super) fn finish(&self) {
        let stages = std::mem::take(&mut *self.stages.borrow_mut());
        if !stages.is_empty() && !self.output.quiet {
            self.output.say(Weight::Info, &format!("{}: {}", self.name, stages.join(" · ")));
        }
    }

    fn line(&self, weight: Weight, text: &str) {
        self.finish();
        if !(self.output.quiet && weight == Weight::Info) {
            self.output.say(weight, text);
        }
    }

    fn news(&self, name: &str, news: &ServiceNews) {
        match news {
            ServiceNews::Started { .. } => {}
            ServiceNews::Ready => self.stages.borrow_mut().push(format!("{name} ready")),
            ServiceNews::Ended { how, again_in: Some(pause) } => {
                self.line(
                    Weight::Warning,
                    &format!("{}: {name} ended ({how}); started again in {}", self.name, millis(*pause)),
                );
            }
            ServiceNews::Ended { how, again_in: None } => {
                self.line(Weight::Info, &format!("{}: {name} ended ({how})", self.name));
            }
            ServiceNews::GivenUp { deaths, how } => self.line(
                Weight::Warning,
                &format!("{}: {name} ended {deaths} times within a minute ({how}); it is not started again", self.name),
            ),
            ServiceNews::Stopped { how } => tracing::debug!(name, how, "companion stopped"),
        }
    }
}

/// A stage that took longer is worth its own line at once.
const LONG: Duration = Duration::from_secs(2);

/// A time as people read it.
pub(super) fn millis(time: Duration) -> String {
    match time.as_millis() {
        0 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        millis @ 1..=9999 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}
