//! The values of a script's variables.

use super::quote::written;
use super::{JOINT, LONGEST};
use crate::import::argv::Word;
use std::collections::BTreeMap;

/// A variable; a plain one has one value.
#[derive(Default)]
struct Variable {
    values: Vec<String>,
    /// The line of its assignment.
    line: usize,
    /// Whether a command has used it since.
    used: bool,
}

/// A value that another one took the place of before anything had used it, as that of another branch does.
#[derive(Clone, Debug)]
pub(in crate::import) struct Replaced {
    /// The variable.
    pub(in crate::import) name: String,
    /// The value.
    pub(in crate::import) value: String,
    /// The line that gave it.
    pub(in crate::import) line: usize,
    /// The line that gave another one.
    pub(in crate::import) by: usize,
}

/// Variables by their names.
#[derive(Default)]
pub(super) struct Variables {
    known: BTreeMap<String, Variable>,
}

impl Variables {
    /// `NAME=value`, `NAME+=value`, `NAME=(words)`; the value that is nowhere from now on.
    pub(super) fn note(&mut self, word: &Word) -> Option<Replaced> {
        let (name, value) = word.text.split_once('=')?;
        let (name, more) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return None;
        }
        let list = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
        let parts: Vec<String> = match list {
            Some(list) => list.split(JOINT).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            None => vec![value.to_owned()],
        };
        let known = self.known.entry(name.to_owned()).or_default();
        let before = known.values.join(" ");
        let (by, line) = (word.line, std::mem::replace(&mut known.line, word.line));
        let used = std::mem::take(&mut known.used);
        match (more, list) {
            (true, Some(_)) => known.values.extend(parts),
            (true, None) => known.values = vec![before.clone() + value],
            (false, _) => known.values = parts,
        }
        if known.values.iter().map(String::len).sum::<usize>() > LONGEST {
            known.values.clear();
        }
        // What the shell itself uses is no part of a guest.
        let gone = !more && !used && !before.is_empty() && name != "IFS" && known.values.join(" ") != before;
        gone.then(|| Replaced { name: name.to_owned(), value: written(&before).replace(JOINT, " "), line, by })
    }

    /// `set -- words`: what `"$@"` stands for from here on.
    pub(super) fn hand_over(&mut self, words: &[Word]) {
        let values = words.iter().map(|word| word.text.clone()).collect();
        self.known.insert("@".into(), Variable { values, ..Variable::default() });
    }

    /// The word with values in it, which are used by that if it `uses` them; a variable alone may be several words.
    pub(super) fn put(&mut self, word: Word, uses: bool) -> Vec<Word> {
        let text = &word.text;
        let alone = text.strip_prefix('$').map(|name| name.trim_start_matches('{').trim_end_matches('}'));
        if let Some(name) = alone {
            let bare = name.trim_end_matches("[@]").trim_end_matches("[*]");
            if let Some(Variable { values, used, .. }) = self.known.get_mut(bare) {
                *used |= uses;
                let split = |value: &String| fields(value);
                let parts: Vec<String> =
                    if name == bare && name != "@" { values.iter().flat_map(split).collect() } else { values.clone() };
                let make = |(i, text): (usize, String)| Word {
                    text,
                    line: word.line,
                    comments: if i == 0 { word.comments.clone() } else { Vec::new() },
                };
                return parts.into_iter().enumerate().map(make).collect();
            }
        }
        vec![Word { text: self.within(text, uses), ..word }]
    }

    /// `text` with the values of the variables that are known, which are used by that if it `uses` them.
    pub(super) fn within(&mut self, text: &str, uses: bool) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (name, left) = match braced {
                Some((inner, left)) => (inner, left),
                None => after.split_at(after.find(|c| !is_of_name(c)).unwrap_or(after.len())),
            };
            let (plain, default) =
                name.split_once(":-").map_or((name, None), |(plain, default)| (plain, Some(default)));
            // `${NAME%.0}` is not worked out, but uses it.
            let stem = &plain[..plain.find(|c| !is_of_name(c)).unwrap_or(plain.len())];
            self.known.get_mut(stem).into_iter().for_each(|variable| variable.used |= uses);
            let plain = plain.trim_end_matches("[@]").trim_end_matches("[*]");
            let known = self.known.get(plain).map(|variable| variable.values.join(" "));
            // `:-` stands in for what is empty, too.
            let known = known.filter(|value| default.is_none() || !value.is_empty());
            match known.or(default.map(str::to_owned)) {
                Some(value) if out.len() + value.len() < LONGEST => out.push_str(&closed(value, left)),
                _ => {
                    out.push_str(&rest[at..rest.len() - left.len()]);
                }
            }
            rest = left;
        }
        out + rest
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// `value` so that `left`, which follows it, is no part of the name that it may end with.
fn closed(value: String, left: &str) -> String {
    let name = value.rsplit_once('$').filter(|(_, name)| !name.is_empty() && name.chars().all(is_of_name));
    match name.filter(|_| left.starts_with(is_of_name)) {
        Some((before, name)) => format!("{before}${{{name}}}"),
        None => value,
    }
}

/// `text` at spaces, but for those of commands whose output a shell would put in.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut open = 0_usize;
    for c in text.chars() {
        match c {
            '(' => open += 1,
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
        match fields.last_mut() {
            Some(last) if !c.is_whitespace() || open > 0 => last.push(c),
            _ => fields.push(String::new()),
        }
    }
    fields.retain(|field| !field.is_empty());
    fields
}
