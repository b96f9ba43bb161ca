//! A shell script as commands: words without quotes, variables and arrays with plain values put in.
//!
//! A shell-words parser alone knows neither of these nor where a command ends, which scripts that start QEMU are made of.
//! Nothing is run: what a script would compute stays in the word as it is written.

mod lexer;
mod quote;
mod variables;

use super::argv::Word;
use super::setting::is_kernels;
use lexer::{Lexer, Token};
use quote::{quoted, redirected, written};
use std::collections::BTreeSet;
pub(super) use variables::Replaced;
use variables::Variables;

/// Stands for a space within a quoted word of an array.
const JOINT: char = '\u{1f}';

/// Longest value that variables may make together, in bytes.
const LONGEST: usize = 1 << 20;

/// What ends a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// The end of a line, `;`, `&&`, `||` or a bracket: the script waits for it.
    #[default]
    Waited,
    /// `&`: the script goes on while it runs.
    Background,
    /// `|`: the next command reads what it prints.
    Pipe,
    /// `)` that nothing opened: it is what a branch of `case` is for.
    Label,
}

/// A command of the script.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    /// Its words.
    pub(super) words: Vec<Word>,
    /// The same, each as it is written for a shell.
    shown: Vec<String>,
    /// Where its input and output go, like `>/dev/null`, `2>&1`.
    pub(super) redirects: Vec<String>,
    /// What ends it.
    pub(super) end: End,
}

/// A script.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// Its commands.
    pub(super) commands: Vec<Command>,
    /// Options that are commented out, with their lines.
    pub(super) set_aside: Vec<(usize, String)>,
    /// Values that nothing has used.
    pub(super) replaced: Vec<Replaced>,
    /// Names of its functions.
    pub(super) functions: BTreeSet<String>,
}

/// Words of the shell's that a command may follow.
const LEADING: [&str; 7] = ["then", "else", "do", "{", "!", "time", "exec"];

impl Command {
    /// The command as a line for a shell.
    pub(super) fn line(&self) -> String {
        self.shown.iter().cloned().chain(self.redirects.iter().map(|to| redirected(to))).collect::<Vec<_>>().join(" ")
    }

    /// Its first word; empty when there is none.
    pub(super) fn first(&self) -> &str {
        self.words.first().map_or("", |word| word.text.as_str())
    }

    /// The command without the words of the shell's before it.
    pub(super) fn bare(&self) -> Self {
        let leading = leading(&self.words);
        let (words, shown) = match self.words.len() > leading {
            true => (self.words[leading..].to_vec(), self.shown[leading..].to_vec()),
            false => (self.words.clone(), self.shown.clone()),
        };
        Self { words, shown, redirects: self.redirects.clone(), end: self.end }
    }

    /// Whether it sets variables and does nothing else.
    pub(super) fn sets(&self) -> bool {
        assignments(&self.words).is_some()
    }

    /// The commands that `word`, one of its words, holds, each below what stands before the word `from`.
    pub(super) fn within(&self, from: usize, word: usize) -> Vec<Self> {
        let line = self.words[word].line;
        let below = |inner: Self| {
            let own = inner.words.into_iter().map(|inner| Word { line, ..inner });
            let words = self.words[..from].iter().cloned().chain(own).collect();
            let shown = self.shown[..from].iter().cloned().chain(inner.shown).collect();
            Self { words, shown, ..inner }
        };
        read(&self.words[word].text).commands.into_iter().map(below).collect()
    }
}

/// Number of words of the shell's before a command.
fn leading(words: &[Word]) -> usize {
    words.iter().take_while(|word| LEADING.contains(&word.text.as_str())).count()
}

/// Whether a word gives a variable a value.
pub(super) fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name.trim_end_matches('+'));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Where the assignments begin in a command that does nothing else.
fn assignments(words: &[Word]) -> Option<usize> {
    let from = leading(words);
    let rest = &words[from..];
    if matches!(rest.first()?.text.as_str(), "export" | "declare" | "local" | "readonly" | "typeset") {
        return Some(from + 1);
    }
    rest.iter().all(|word| is_assignment(&word.text)).then_some(from)
}

/// What `text` does.
pub(super) fn read(text: &str) -> Script {
    let mut vars = Variables::default();
    let mut script = Script::default();
    let mut now = Command::default();
    for token in Lexer::of(text).tokens() {
        match token {
            Token::Word(word) => now.words.push(word),
            Token::Redirect(to) => now.redirects.push(to),
            Token::SetAside(line, text) => script.set_aside.push((line, text)),
            Token::Function => {
                if let [name] = &now.words[..] {
                    let word = Word::plain("function", name.line);
                    now.words.insert(0, word);
                }
                finish(std::mem::take(&mut now), &mut vars, &mut script);
            }
            Token::End(end) => {
                let command = Command { end, ..std::mem::take(&mut now) };
                finish(command, &mut vars, &mut script);
            }
        }
    }
    finish(now, &mut vars, &mut script);
    script
}

/// Notes what a command sets, and puts values into it.
fn finish(command: Command, vars: &mut Variables, script: &mut Script) {
    if command.words.is_empty() && command.redirects.is_empty() {
        return;
    }
    let first = command.words.get(leading(&command.words)).map_or("", |word| word.text.as_str());
    // Who only tells a value does nothing with it.
    let uses = !matches!(first, "echo" | "printf");
    let again = matches!(first, "eval" | "trap");
    let mut words = Vec::new();
    if let Some(from) = assignments(&command.words) {
        for (at, word) in command.words.into_iter().enumerate() {
            let word = Word { text: vars.within(&word.text, true), ..word };
            script.replaced.extend(Some(&word).filter(|_| at >= from).and_then(|word| vars.note(word)));
            words.push(word);
        }
    } else {
        words.extend(command.words.into_iter().flat_map(|word| vars.put(word, uses)));
    }
    if again {
        let meant = |word: Word| Word { text: written(&word.text), ..word };
        words = words.into_iter().flat_map(|word| vars.put(meant(word), uses)).collect();
    }
    match &words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>()[..] {
        ["set", "--", ..] => vars.hand_over(&words[2..]),
        ["function", name, ..] => _ = script.functions.insert((*name).to_owned()),
        // Each of these files is told the same.
        ["for", name, "in", path] if is_kernels(path) => {
            vars.note(&Word::plain(&format!("{name}={path}"), words[0].line));
        }
        _ => {}
    }
    let shown = words.iter().map(|word| quoted(&word.text)).collect();
    let words = words.into_iter().map(|word| Word { text: written(&word.text), ..word }).collect();
    let redirects = command.redirects.iter().map(|to| written(&vars.within(to, true))).collect();
    script.commands.push(Command { words, shown, redirects, end: command.end });
}
