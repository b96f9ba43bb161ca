//! The values of a script's variables.

use super::{JOINT, LONGEST};
use crate::import::argv::Word;
use std::collections::BTreeMap;

/// Variables, each a list of words; plain ones have one.
#[derive(Default)]
pub(super) struct Variables {
    known: BTreeMap<String, Vec<String>>,
}

impl Variables {
    /// `NAME=value`, `NAME+=value`, `NAME=(words)`.
    pub(super) fn note(&mut self, text: &str) {
        let Some((name, value)) = text.split_once('=') else { return };
        let (name, more) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return;
        }
        let list = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
        let parts: Vec<String> = match list {
            Some(list) => list.split(JOINT).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            None => vec![value.to_owned()],
        };
        let known = self.known.entry(name.to_owned()).or_default();
        match (more, list) {
            (true, Some(_)) => known.extend(parts),
            (true, None) => {
                let joined = known.join(" ") + value;
                *known = vec![joined];
            }
            (false, _) => *known = parts,
        }
        if known.iter().map(String::len).sum::<usize>() > LONGEST {
            known.clear();
        }
    }

    /// `set -- words`: what `"$@"` stands for from here on.
    pub(super) fn hand_over(&mut self, words: &[Word]) {
        self.known.insert("@".into(), words.iter().map(|word| word.text.clone()).collect());
    }

    /// The word with values in it; a variable alone may be several words.
    pub(super) fn put(&self, word: Word) -> Vec<Word> {
        let text = &word.text;
        let alone = text.strip_prefix('$').map(|name| name.trim_start_matches('{').trim_end_matches('}'));
        if let Some(name) = alone {
            let bare = name.trim_end_matches("[@]").trim_end_matches("[*]");
            if let Some(values) = self.known.get(bare) {
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
        vec![Word { text: self.within(text), ..word }]
    }

    /// `text` with the values of the variables that are known.
    pub(super) fn within(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (name, left) = match braced {
                Some((inner, left)) => (inner.to_owned(), left),
                None => {
                    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
                    (after[..end].to_owned(), &after[end..])
                }
            };
            let (plain, default) =
                name.split_once(":-").map_or((name.as_str(), None), |(plain, default)| (plain, Some(default)));
            let plain = plain.trim_end_matches("[@]").trim_end_matches("[*]");
            let known = self.known.get(plain).map(|values| values.join(" "));
            // `:-` stands in for what is empty, too.
            let known = known.filter(|value| default.is_none() || !value.is_empty());
            match known.or(default.map(str::to_owned)) {
                Some(value) if out.len() + value.len() < LONGEST => out.push_str(&value),
                _ => {
                    out.push_str(&rest[at..rest.len() - left.len()]);
                }
            }
            rest = left;
        }
        out + rest
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
