//! The conversation: lines out, lines in, so that it works over ssh and on any terminal.

use crate::cli::Exit;
use crate::plan::{Class, Problem};
use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use std::io::{self, BufRead, Write};

const LABEL: Style = Style::new().bold();
const WRONG: Style = AnsiColor::BrightRed.on_default();

/// Why it ended without a guest.
pub(super) enum End {
    /// The person left.
    Left,
    /// Something is wrong.
    Wrong(Box<Problem>),
    /// Something is wrong, and was told.
    Told(Exit),
    Terminal(io::Error),
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Wrong(Box::new(problem))
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Terminal(error)
    }
}

/// A person at the terminal.
pub(super) struct Talk {
    width: usize,
    greeted: bool,
}

/// One thing that is to be settled.
pub(super) struct Question<'a> {
    /// The flag that gives it, without dashes, and the word that is asked with.
    pub(super) flag: &'a str,
    pub(super) label: &'a str,
    /// What is told before it is asked.
    pub(super) about: String,
    /// What is taken when nothing is said.
    pub(super) proposal: String,
}

impl Talk {
    pub(super) fn new(width: usize) -> Self {
        Self { width, greeted: false }
    }

    /// Writes `text`, lines that are too long folded between words.
    pub(super) fn say(&self, text: &str) -> io::Result<()> {
        let mut stream = anstream::stderr();
        for line in text.lines() {
            writeln!(stream, "{}", folded(line, self.width))?;
        }
        stream.flush()
    }

    /// Asks until the answer is one that `parse` takes.
    fn ask<T>(&mut self, question: &Question<'_>, parse: &dyn Fn(&str) -> Result<T, String>) -> Result<T, End> {
        if !std::mem::replace(&mut self.greeted, true) {
            self.say("A few questions. Enter takes what stands in [brackets]; Ctrl-D leaves, and nothing is written.")?;
        }
        self.say("")?;
        self.say(&question.about)?;
        loop {
            let label = format!("{LABEL}{}{LABEL:#}", question.label);
            let answer = line(&format!("{label} [{}]: ", question.proposal))?;
            match parse(if answer.is_empty() { &question.proposal } else { &answer }) {
                Ok(value) => return Ok(value),
                Err(why) => self.say(&format!("  {WRONG}{why}{WRONG:#}"))?,
            }
        }
    }
}

/// A question of yes or no, of which yes is the proposal.
pub(super) fn agreed(question: &str) -> Result<bool, End> {
    loop {
        match line(&format!("{LABEL}{question}{LABEL:#} [Y/n] "))?.as_str() {
            "" | "y" | "Y" | "yes" => return Ok(true),
            "n" | "N" | "no" => return Ok(false),
            _ => {}
        }
    }
}

/// Settles `question`: by what was `given`, by asking, or by the proposal.
pub(super) fn settle<T>(
    talk: Option<&mut Talk>,
    given: Option<&str>,
    question: &Question<'_>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, End> {
    match (given, talk) {
        (Some(given), _) => parse(given).map_err(|why| wrong(question, &why)),
        (None, Some(talk)) => talk.ask(question, &parse),
        (None, None) => parse(&question.proposal).map_err(|why| wrong(question, &why)),
    }
}

fn wrong(question: &Question<'_>, why: &str) -> End {
    Problem::new(Class::Invalid, "", format!("--{}: {why}", question.flag)).into()
}

/// A line of the person's.
fn line(prompt: &str) -> Result<String, End> {
    let mut stream = anstream::stderr();
    write!(stream, "{prompt}")?;
    stream.flush()?;
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer)? {
        0 => Err(End::Left),
        _ => Ok(answer.trim().to_owned()),
    }
}

/// A line in several, each as deep as the first.
fn folded(line: &str, width: usize) -> String {
    let depth = line.len() - line.trim_start().len();
    let mut lines = vec![String::new()];
    let mut used = 0;
    if letters(line) <= width || line.starts_with('#') {
        return line.to_owned();
    }
    for word in line.trim_start().split(' ') {
        let length = letters(word);
        if used > 0 && depth + used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        let last = lines.len() - 1;
        if used > 0 {
            lines[last].push(' ');
            used += 1;
        }
        lines[last].push_str(word);
        used += length;
    }
    let indent = " ".repeat(depth);
    lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

/// Columns that `text` takes on a terminal, which are none for its styles.
fn letters(text: &str) -> usize {
    strip_str(text).map(|part| part.chars().count()).sum()
}

#[cfg(test)]
mod test {
    use super::{LABEL, folded};

    #[test]
    fn long_lines_are_folded_between_words_and_keep_their_depth() {
        assert_eq!(folded("  one two three", 9), "  one two\n  three");
        assert_eq!(folded("one two three", 80), "one two three");
    }

    #[test]
    fn styles_take_no_room() {
        let line = format!("{LABEL}one{LABEL:#} {LABEL}two{LABEL:#} three");
        assert_eq!(folded(&line, 13), line);
        assert_eq!(folded(&line, 9), line.replace(" three", "\nthree"));
    }
}
