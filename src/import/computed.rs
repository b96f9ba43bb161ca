//! What only a shell that ran the script would know: variables without a value, and what commands print. A profile with
//! such a word in it would be another guest, so the profile asks.

use super::argv::Word;
use super::page::Page;
use super::report::{Fate, Report};
use toml::Value;

/// Parts of `text` that a shell would put something in for: `$NAME`, `${NAME}`, `$1`, `$@`, `$(command)`.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let length = length(&rest[at + 1..]);
        let (part, after) = rest[at..].split_at(1 + length);
        if length > 0 {
            parts.push(part);
        }
        rest = after;
    }
    parts
}

/// Whether a shell would put something in for all of `text`.
pub(super) fn is_all(text: &str) -> bool {
    parts(text).first().is_some_and(|part| part.len() == text.len())
}

/// Bytes that belong to the `$` before `text`; none when it stands for itself.
pub(super) fn length(text: &str) -> usize {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match text.chars().next() {
        Some('{') => text.find('}').map_or(0, |end| end + 1),
        Some('(') => closing(text),
        Some('@' | '*' | '#' | '?' | '!' | '$' | '0'..='9') => 1,
        Some(c) if name(c) => text.find(|c| !name(c)).unwrap_or(text.len()),
        _ => 0,
    }
}

/// Bytes up to the bracket that closes the first one.
fn closing(text: &str) -> usize {
    let mut open = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' if open == 1 => return at + 1,
            ')' => open -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Has `page` ask wherever a value hangs on what a shell computes, and `report` tell of each of `words` that does.
pub(super) fn ask(words: &[Word], page: &mut Page, report: &mut Report) {
    for table in page.listed().filter(|table| !table.is_put_off()) {
        let parts: Vec<String> = table.keys().flat_map(|(_, value)| of_value(value)).collect();
        if !parts.is_empty() {
            table.put_off(question(&parts));
        }
    }
    for table in page.single() {
        let keys: Vec<_> = table.keys().map(|(key, value)| (key.to_owned(), of_value(value))).collect();
        for (key, parts) in keys.into_iter().filter(|(_, parts)| !parts.is_empty()) {
            table.put_off_key(&key, &question(&parts));
        }
    }
    let profile = page.render();
    for word in words {
        let parts = parts(&word.text);
        if parts.is_empty() {
            continue;
        }
        tell(word, &parts, report);
        if parts.iter().any(|part| !profile.contains(part)) {
            page.tail(format!("To decide: the script computes {}, which is not in this profile.", listed(&parts)));
        }
    }
}

fn question(parts: &[String]) -> String {
    format!("the script computes {}; with what it comes to in its place:", listed(parts))
}

fn listed(parts: &[impl AsRef<str>]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| format!("`{}`", part.as_ref())).collect();
    parts.join(" and ")
}

/// Parts of the texts in `value`.
fn of_value(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => parts(text).into_iter().map(str::to_owned).collect(),
        Value::Array(all) => all.iter().flat_map(of_value).collect(),
        Value::Table(table) => table.values().flat_map(of_value).collect(),
        _ => Vec::new(),
    }
}

/// Sees to it that the report asks about `word`.
fn tell(word: &Word, parts: &[&str], report: &mut Report) {
    let own = |entry: &&mut super::Entry| entry.line == word.line && entry.what.contains(&word.text);
    if report.entries.iter_mut().filter(own).any(|entry| matches!(entry.fate, Fate::Asked(_))) {
        return;
    }
    let asked = Fate::Asked(format!("what {} comes to", listed(parts)));
    match report.entries.iter_mut().find(own) {
        Some(entry) => entry.fate = asked,
        None => report.note(word.line, word.text.clone(), asked),
    }
}

#[cfg(test)]
mod test {
    use super::{is_all, parts};

    #[test]
    fn a_shell_puts_something_in_for_names_numbers_and_commands() {
        assert_eq!(parts("a$B-${C}/$1$(ls $(x) y)$@"), ["$B", "${C}", "$1", "$(ls $(x) y)", "$@"]);
        assert_eq!(parts("cost: 5$ or $, ${"), [""; 0]);
        assert!(is_all("$(a b)") && is_all("$@") && !is_all("$a$b") && !is_all("x"));
    }
}
