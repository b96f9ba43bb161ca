//! The two streams: data on standard output, talk on standard error.

use super::Exit;
use super::alert::Alerts;
use super::args::{Color, Global};
use crate::process::watched_for;
use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use serde_json::{Value, json};
use std::future::pending;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::linux::fs::MetadataExt;
use tokio::io::Interest;
use tracing::Level;

/// Columns when the output is no terminal.
const COLUMNS: usize = 100;
/// Narrowest and widest page that is laid out.
const PAGE: std::ops::RangeInclusive<usize> = 60..=140;

/// How vmrun talks in this run.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Whether only what is wrong is said.
    pub quiet: bool,
    /// Whether answers are JSON.
    pub json: bool,
    /// Columns of a page.
    pub width: usize,
    /// What is told by notifications too.
    pub alerts: Alerts,
}

/// How much a line of talk weighs; the number is the journal's, `sd-daemon(3)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Something is wrong.
    Error = 3,
    /// Something is odd.
    Warning = 4,
    /// Something happened.
    Info = 6,
}

impl Output {
    /// As the options and the terminal want it. Sets the colours of the whole process, and how much it logs.
    #[must_use]
    pub fn new(global: Global) -> Self {
        match global.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
        .write_global();
        log(global);
        let alerts = if global.notify { Alerts::All } else { Alerts::Off };
        Self { quiet: global.quiet, json: global.json, width: width(), alerts }
    }

    /// Writes an answer to standard output, with its terminal styles where they are wanted.
    ///
    /// A reader who has left, like `head`, has what it wanted: `exit` stands. When it cannot be written for another
    /// reason, the result is [`Exit::Internal`].
    #[must_use]
    pub fn answer(self, text: &str, exit: Exit) -> Exit {
        let written = write(io::stdout(), text);
        if self.alerts == Alerts::All && !self.json {
            self.alerts.show(Weight::Info, text);
        }
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                self.say(Weight::Error, &format!("error: standard output cannot be written: {error}"));
                Exit::Internal
            }
            Err(_) | Ok(()) => exit,
        }
    }

    /// Writes an answer as JSON.
    #[must_use]
    pub fn answer_json(self, value: &Value, exit: Exit) -> Exit {
        self.answer(&format!("{value:#}\n"), exit)
    }

    /// Writes a text that is the answer itself, a file for example; for a program it is a string of JSON.
    #[must_use]
    pub fn answer_text(self, text: &str, exit: Exit) -> Exit {
        match self.json {
            true => self.answer_json(&json!({ "v": 1, "text": text }), exit),
            false => self.answer(text, exit),
        }
    }

    /// Says something on standard error; each line with the journal's level when that is where it goes.
    ///
    /// When nobody can hear it, there is nobody to tell.
    pub fn say(self, weight: Weight, text: &str) {
        let lines = if is_journal() { leveled(weight, text) } else { format!("{}\n", text.trim_end()) };
        _ = write(io::stderr(), &lines);
        // What goes on as planned is no reason to interrupt somebody.
        if weight != Weight::Info {
            self.alerts.show(weight, text);
        }
    }

    /// The same without notifications.
    #[must_use]
    pub fn without_alerts(self) -> Self {
        Self { alerts: Alerts::Off, ..self }
    }

    /// The same for a command that lives as long as its guest: with no terminal to see it, trouble becomes a notification.
    #[must_use]
    pub fn of_a_run(self) -> Self {
        Self { alerts: self.alerts.of_a_run(), ..self }
    }
}

/// Waits until the reader of standard output has left, like `head`; for ever when that is a file or a terminal.
///
/// # Panics
/// Outside a tokio runtime.
pub(super) async fn reader_left() {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let left = match stdout.and_then(|stdout| watched_for(stdout, Interest::ERROR)) {
        Ok(stdout) => stdout.ready(Interest::ERROR).await.is_ok(),
        Err(_) => false,
    };
    if !left {
        pending::<()>().await;
    }
}

/// Logs to standard error for whoever follows along; `VMRUN_LOG` (error, warn, info, debug, trace) wins over `-v`.
fn log(global: Global) {
    let asked = match (global.quiet, global.verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::WARN,
        (false, 1) => Level::INFO,
        (false, 2) => Level::DEBUG,
        (false, _) => Level::TRACE,
    };
    let level = std::env::var("VMRUN_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(asked);
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).without_time();
    let colored = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    // A log that nobody can read is no reason to stop; and a logger that is there already, of a test, stays.
    _ = lines.with_ansi(colored).log_internal_errors(false).try_init();
}

/// In one piece: standard error is not buffered, and a text without its styles would go out in dozens.
fn write(mut stream: impl RawStream, text: &str) -> io::Result<()> {
    let mut styled = AutoStream::new(Vec::new(), AutoStream::choice(&stream));
    styled.write_all(text.as_bytes())?;
    stream.write_all(&styled.into_inner())?;
    stream.flush()
}

fn leveled(weight: Weight, text: &str) -> String {
    let level = weight as u8;
    text.lines().fold(String::new(), |lines, line| lines + &format!("<{level}>{line}\n"))
}

/// Whether standard error goes to the journal; systemd.exec(5), `$JOURNAL_STREAM`.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev(), stderr.st_ino()))
}

fn width() -> usize {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = || io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    let columns = set.or_else(|| seen().map(|(terminal_size::Width(columns), _)| columns.into())).unwrap_or(COLUMNS);
    columns.clamp(*PAGE.start(), *PAGE.end())
}

#[cfg(test)]
mod test {
    use super::{Weight, leveled};

    #[test]
    fn each_line_for_the_journal_carries_its_level() {
        assert_eq!(leveled(Weight::Warning, "one\ntwo"), "<4>one\n<4>two\n");
    }
}
