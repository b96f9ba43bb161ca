//! The words of a script, and what stands between them.

use super::quote::{itself, spared};
use super::{End, JOINT};
use crate::import::argv::Word;

/// A part of a script.
pub(super) enum Token {
    Word(Word),
    /// Where input or output goes.
    Redirect(String),
    /// An option that is commented out, with its line.
    SetAside(usize, String),
    /// The word before it is the name of a function, which begins.
    Function,
    /// The end of a command.
    End(End),
}

/// Whether a comment is an option of QEMU, like `-device foo \`, and no sentence.
fn is_option(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
}

/// Takes a script apart.
#[derive(Default)]
pub(super) struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    comments: Vec<String>,
    /// Brackets that are open.
    open: usize,
    /// The word that ends the text that begins in the next line, of `<<WORD`.
    here: Option<String>,
}

impl Lexer {
    pub(super) fn of(text: &str) -> Self {
        Self { chars: text.chars().collect(), line: 1, ..Self::default() }
    }

    pub(super) fn tokens(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '\n' => {
                    self.next();
                    self.skip_here();
                    tokens.push(Token::End(End::Waited));
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
                    if is_option(text) {
                        tokens.push(Token::SetAside(self.line, text.trim_end_matches(['\\', ' ']).to_owned()));
                    } else if !text.is_empty() && !text.starts_with('!') {
                        self.comments.push(text.to_owned());
                    }
                }
                ';' => {
                    self.next();
                    tokens.push(Token::End(End::Waited));
                }
                '(' => tokens.push(self.bracket()),
                ')' => {
                    self.next();
                    tokens.push(Token::End(if self.open == 0 { End::Label } else { End::Waited }));
                    self.open = self.open.saturating_sub(1);
                }
                '>' | '<' => {
                    let to = self.redirect(String::new());
                    tokens.push(Token::Redirect(to));
                }
                '&' if self.chars.get(self.at + 1) == Some(&'>') => {
                    let to = self.redirect(String::new());
                    tokens.push(Token::Redirect(to));
                }
                '&' | '|' => {
                    self.next();
                    let pair = self.peek() == Some(c);
                    if pair {
                        self.next();
                    }
                    tokens.push(Token::End(match c {
                        _ if pair => End::Waited,
                        '&' => End::Background,
                        _ => End::Pipe,
                    }));
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
                    // `2>`: the number is the descriptor's.
                    if text.bytes().all(|b| b.is_ascii_digit()) && matches!(self.peek(), Some('<' | '>')) {
                        let to = self.redirect(text);
                        tokens.push(Token::Redirect(to));
                        continue;
                    }
                    tokens.push(Token::Word(Word { text, line, comments: std::mem::take(&mut self.comments) }));
                }
            }
        }
        tokens
    }

    /// The bracket that opens a group of commands, or the pair behind the name of a function.
    fn bracket(&mut self) -> Token {
        self.next();
        let blank = self.chars[self.at..].iter().take_while(|c| matches!(c, ' ' | '\t')).count();
        if self.chars.get(self.at + blank) == Some(&')') {
            self.at += blank + 1;
            return Token::Function;
        }
        self.open += 1;
        Token::End(End::Waited)
    }

    /// A redirection, of the descriptor `text` if it is not empty.
    fn redirect(&mut self, mut text: String) -> String {
        while let Some(c) = self.peek().filter(|c| matches!(c, '<' | '>' | '&' | '|')) {
            text.push(c);
            self.next();
        }
        let here = text.ends_with("<<") && !text.ends_with("<<<");
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
        let to = self.word();
        if here {
            self.here = Some(to.trim_start_matches('-').to_owned());
        }
        text + &to
    }

    /// Leaves out the text of `<<WORD`.
    fn skip_here(&mut self) {
        let Some(end) = self.here.take() else { return };
        while self.peek().is_some() {
            let line = self.until('\n');
            self.next();
            if line.trim() == end {
                break;
            }
        }
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
                    text.extend(self.until('\'').chars().map(itself));
                    self.next();
                }
                '"' => self.quoted(&mut text),
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c) => text.push(itself(c)),
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
                    text.extend(["$(", &spared(&inner), ")"]);
                }
                '(' if text.ends_with('=') => self.array(&mut text),
                ' ' | '\t' | '\n' | '\r' | ';' | '|' | '&' | '(' | ')' | '<' | '>' => break,
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
                    Some(c @ ('"' | '\\' | '$' | '`')) => text.push(itself(c)),
                    Some(c) => text.extend(['\\', c]),
                },
                c => text.push(c),
            }
        }
    }

    /// What a command would print, as it is written.
    fn nested(&mut self, text: &mut String) {
        let (from, mut depth, mut quote) = (self.at, 0_usize, None);
        while let Some(c) = self.next() {
            match (c, quote) {
                ('\'', None) => quote = Some(c),
                ('\'', Some(_)) => quote = None,
                ('(', None) => depth += 1,
                (')', None) => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        *text += &spared(&self.chars[from..self.at].iter().collect::<String>());
    }

    fn array(&mut self, text: &mut String) {
        self.next();
        text.push('(');
        while let Some(c) = self.peek() {
            match c {
                ')' => break,
                ' ' | '\t' | '\n' | '\r' | ';' | '|' | '&' | '(' | '<' | '>' => _ = self.next(),
                '\\' if self.chars.get(self.at + 1) == Some(&'\n') => _ = (self.next(), self.next()),
                '#' => _ = self.until('\n'),
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
