//! A command line for a shell.

use crate::plan::Contents;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The command line on one line, quoted for a POSIX shell.
pub(in crate::cli) fn line(contents: &Contents) -> String {
    let mut line = head(contents);
    for word in contents.argv.words() {
        _ = write!(line, " {}", quoted(&word));
    }
    line + "\n"
}

/// The command line with one option a line, by continuation.
pub(in crate::cli) fn lines(contents: &Contents) -> String {
    let mut lines = head(contents);
    for arg in contents.argv.args() {
        _ = write!(lines, " \\\n  {}", quoted(&arg.option));
        if let Some(value) = arg.value {
            _ = write!(lines, " {}", quoted(&value));
        }
    }
    lines + "\n"
}

fn head(contents: &Contents) -> String {
    let mut head = String::new();
    for (name, value) in &contents.env {
        _ = write!(head, "{name}={} ", quoted(value));
    }
    head + &quoted(&contents.emulator.path.to_string_lossy())
}

/// `word` for a POSIX shell. Profiles cannot hold a NUL, which is all that cannot be quoted.
pub(super) fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| format!("'{}'", word.escape_debug()), Cow::into_owned)
}
