//! A shell script as commands: words without quotes, variables and arrays with plain values put in.
//!
//! A shell-words parser alone knows neither of these nor where a command ends, which scripts that start QEMU are made of.
//! Nothing is run: what a script would compute stays in the word as it is written.

mod lexer;
mod variables;

use super::argv::Word;
use lexer::{Lexer, Token};
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
}

/// A command of the script.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    /// Its words.
    pub(super) words: Vec<Word>,
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
}

impl Command {
    /// The command as a line for a shell.
    pub(super) fn line(&self) -> String {
        let words = self.words.iter().map(|word| quoted(&word.text));
        words.chain(self.redirects.iter().cloned()).collect::<Vec<_>>().join(" ")
    }
}

/// `word` so that a shell takes it for one word, and still puts in what it would put in.
fn quoted(word: &str) -> String {
    let word = word.replace(JOINT, " ");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%$*?[]{}!~^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    if word.contains('$') {
        return format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
    }
    format!("'{}'", word.replace('\'', "'\\''"))
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
            Token::End(end) => {
                let command = Command { end, ..std::mem::take(&mut now) };
                finish(command, &mut vars, &mut script.commands);
            }
        }
    }
    finish(now, &mut vars, &mut script.commands);
    script
}

/// Notes what a command sets, and puts values into it.
fn finish(command: Command, vars: &mut Variables, all: &mut Vec<Command>) {
    if command.words.is_empty() && command.redirects.is_empty() {
        return;
    }
    let words = command.words.into_iter().flat_map(|word| vars.put(word)).collect::<Vec<_>>();
    if let [only] = &words[..] {
        vars.note(&only.text);
    }
    if let [set, dashes, rest @ ..] = &words[..]
        && (set.text.as_str(), dashes.text.as_str()) == ("set", "--")
    {
        vars.hand_over(rest);
    }
    let redirects = command.redirects.iter().map(|to| vars.within(to)).collect();
    all.push(Command { words, redirects, end: command.end });
}
