//! What a shell takes as it is written, and how a word is written for one.

use super::JOINT;
use crate::import::computed;

/// Characters that mean something to a shell, unless they stand between single quotes or behind a backslash.
const MEANT: [char; 6] = ['$', '`', '*', '?', '~', '!'];
/// Where the same characters stand for themselves, in a range that no script uses.
const ITSELF: u32 = 0xe000;

/// `c`, which stands for itself.
pub(super) fn itself(c: char) -> char {
    Some(c).filter(|c| MEANT.contains(c)).and_then(|c| char::from_u32(ITSELF + u32::from(c))).unwrap_or(c)
}

/// `text` with every character as it is written.
pub(super) fn written(text: &str) -> String {
    let plain = |c: char| u32::from(c).checked_sub(ITSELF).and_then(char::from_u32).filter(|c| MEANT.contains(c));
    text.chars().map(|c| plain(c).unwrap_or(c)).collect()
}

/// A command within a word, with what stands between single quotes for itself.
pub(super) fn spared(command: &str) -> String {
    let mut within = None;
    let mut out = String::new();
    for c in command.chars() {
        match (c, within) {
            ('\'' | '"', None) => within = Some(c),
            (c, Some(quote)) if c == quote => within = None,
            _ => {}
        }
        out.push(if within == Some('\'') { itself(c) } else { c });
    }
    out
}

/// `word` so that a shell takes it for one word, and still puts in what it would put in.
pub(super) fn quoted(word: &str) -> String {
    let word = word.replace(JOINT, " ");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%$*?[]{}!~^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    if word.contains('$') {
        return doubly(&word);
    }
    format!("'{}'", written(&word).replace('\'', "'\\''"))
}

/// `word` in double quotes; commands within it have quotes of their own.
fn doubly(word: &str) -> String {
    let mut out = String::from("\"");
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let computed = if c == '$' { computed::length(after) } else { 0 };
        let c = written(&c.to_string());
        if computed == 0 && matches!(c.as_str(), "$" | "`" | "\"" | "\\") {
            out.push('\\');
        }
        out += &c;
        out += &written(&after[..computed]);
        rest = &after[computed..];
    }
    out + "\""
}

/// Where a redirection goes, for a shell.
pub(super) fn redirected(to: &str) -> String {
    let target = to.find(|c: char| !(c.is_ascii_digit() || "<>&|".contains(c)));
    match target {
        Some(at) => format!("{}{}", &to[..at], quoted(&to[at..])),
        None => to.to_owned(),
    }
}
