//! A shell script as commands: words without quotes, variables and arrays with plain values put in.
//!
//! A shell-words parser alone knows neither of these nor where a command ends, which scripts that start QEMU are made of.
//! Nothing is run: what a script would compute stays in the word as it is written.

use super::argv::Word;
use std::collections::BTreeMap;

/// A command of the script.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// Its words.
    pub(super) words: Vec<Word>,
    /// Whether the script goes on while it runs: `&` ends it.
    pub(super) background: bool,
}

/// A part of a word.
enum Token {
    Word(Word),
    /// `;`, `&&`, `|`, the end of a line; `true` for `&`.
    End(bool),
}

/// Longest value that variables may make together, in bytes.
const LONGEST: usize = 1 << 20;

/// The commands of `text`.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let mut vars = Variables::default();
    let mut all = Vec::new();
    let mut now = Command::default();
    for token in (Lexer { chars: text.chars().collect(), at: 0, line: 1, comments: Vec::new() }).tokens() {
        match token {
            Token::Word(word) => now.words.push(word),
            Token::End(background) => {
                now.background = background;
                finish(std::mem::take(&mut now), &mut vars, &mut all);
            }
        }
    }
    finish(now, &mut vars, &mut all);
    all
}

/// Notes what a command sets, and puts values into it.
fn finish(command: Command, vars: &mut Variables, all: &mut Vec<Command>) {
    if command.words.is_empty() {
        return;
    }
    let words = command.words.into_iter().flat_map(|word| vars.put(word)).collect::<Vec<_>>();
    if let [only] = &words[..] {
        vars.note(&only.text);
    }
    all.push(Command { words, background: command.background });
}

/// Variables, each a list of words; plain ones have one.
#[derive(Default)]
struct Variables {
    known: BTreeMap<String, Vec<String>>,
}

/// Stands for a space within a quoted word of an array.
const JOINT: char = '\u{1f}';

impl Variables {
    /// `NAME=value`, `NAME+=value`, `NAME=(words)`.
    fn note(&mut self, text: &str) {
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

    /// The word with values in it; a variable alone may be several words.
    fn put(&self, word: Word) -> Vec<Word> {
        let text = &word.text;
        let alone = text.strip_prefix('$').map(|name| name.trim_start_matches('{').trim_end_matches('}'));
        if let Some(name) = alone {
            let bare = name.trim_end_matches("[@]").trim_end_matches("[*]");
            if let Some(values) = self.known.get(bare) {
                let split = |value: &String| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                let parts: Vec<String> =
                    if name == bare { values.iter().flat_map(split).collect() } else { values.clone() };
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
    fn within(&self, text: &str) -> String {
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
            match self.known.get(plain).map(|values| values.join(" ")).or(default.map(str::to_owned)) {
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

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    comments: Vec<String>,
}

impl Lexer {
    fn tokens(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '\n' => {
                    self.next();
                    tokens.push(Token::End(false));
                    // A comment belongs to the command right below it, not to a later one.
                    if self.peek() == Some('\n') {
                        self.comments.clear();
                    }
                }
                ' ' | '\t' | '\r' => _ = self.next(),
                '\\' if self.chars.get(self.at + 1).is_some_and(|c| *c == '\n' || *c == '\r') => {
                    self.next();
                    while self.next().is_some_and(|c| c != '\n') {}
                }
                '#' => {
                    let text = self.until('\n');
                    let text = text.trim_start_matches('#').trim();
                    if !text.is_empty() && !text.starts_with('!') {
                        self.comments.push(text.to_owned());
                    }
                }
                ';' | '|' | '(' | ')' => {
                    self.next();
                    tokens.push(Token::End(false));
                }
                '&' => {
                    self.next();
                    let pair = self.peek() == Some('&');
                    if pair {
                        self.next();
                    }
                    tokens.push(Token::End(!pair));
                }
                '`' if self.is_note() => {
                    self.next();
                    let text = self.until('`');
                    self.next();
                    let text = text.trim().trim_start_matches('#').trim().to_owned();
                    match tokens.last_mut() {
                        Some(Token::Word(word)) => word.comments.push(text),
                        _ => self.comments.push(text),
                    }
                }
                _ => {
                    let line = self.line;
                    let text = self.word();
                    tokens.push(Token::Word(Word { text, line, comments: std::mem::take(&mut self.comments) }));
                }
            }
        }
        tokens
    }

    /// Whether backticks hold a comment and nothing else, as in `` `# a wheel` ``.
    fn is_note(&self) -> bool {
        self.chars[self.at + 1..].iter().find(|c| !c.is_whitespace()) == Some(&'#')
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn until(&mut self, end: char) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| *c != end) {
            text.push(c);
            self.next();
        }
        text
    }

    /// A word; an array's parts are joined.
    fn word(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\'' => {
                    self.next();
                    text += &self.until('\'');
                    self.next();
                }
                '"' => self.quoted(&mut text),
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c) => text.push(c),
                    }
                }
                '$' if self.chars.get(self.at + 1) == Some(&'(') => {
                    text.push('$');
                    self.next();
                    self.nested(&mut text);
                }
                '`' => {
                    self.next();
                    let inner = self.until('`');
                    self.next();
                    text.extend(["$(", &inner, ")"]);
                }
                '(' if text.ends_with('=') => self.array(&mut text),
                ' ' | '\t' | '\n' | '\r' | ';' | '|' | '&' | '(' | ')' => break,
                c => {
                    text.push(c);
                    self.next();
                }
            }
        }
        text
    }

    fn quoted(&mut self, text: &mut String) {
        self.next();
        while let Some(c) = self.next() {
            match c {
                '"' => break,
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => text.push(c),
                    Some(c) => text.extend(['\\', c]),
                },
                c => text.push(c),
            }
        }
    }

    /// What a command would print, as it is written.
    fn nested(&mut self, text: &mut String) {
        let mut depth = 0_usize;
        while let Some(c) = self.next() {
            text.push(c);
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }

    fn array(&mut self, text: &mut String) {
        self.next();
        text.push('(');
        while let Some(c) = self.peek() {
            match c {
                ')' => break,
                ' ' | '\t' | '\n' | '\r' => _ = self.next(),
                '\\' if self.chars.get(self.at + 1) == Some(&'\n') => _ = (self.next(), self.next()),
                '#' => _ = self.until('\n'),
                ';' | '|' | '&' | '(' => _ = self.next(),
                _ => {
                    *text += &self.word();
                    text.push(JOINT);
                }
            }
        }
        self.next();
        text.push(')');
    }
}
