//! The tables and keys of a profile.

use super::layout::{columns, wrapped};
use crate::profile::reference::{Choice, Key, Reference, Table, first_sentence};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What is explained.
pub(in crate::cli) enum Entry<'r> {
    /// All tables.
    Tables(&'r [Table]),
    /// One table, and where the tables in it are found.
    Table(&'r Table, &'r Reference),
    /// One key and its table.
    Key(&'r Table, &'r Key),
}

/// Columns in front of what is said about something.
const INDENT: usize = 6;
/// Widest page; lines of prose that are longer are hard to read.
const WIDEST: usize = 80;

/// The entry as a page.
pub(in crate::cli) fn text(entry: &Entry<'_>, width: usize) -> String {
    let mut page = Page { text: String::new(), width: width.min(WIDEST) };
    match entry {
        Entry::Tables(tables) => page.tables(tables),
        Entry::Table(table, reference) => page.table(table, reference),
        Entry::Key(table, key) => page.key(table, key),
    }
    page.text
}

/// The entry as a record.
pub(in crate::cli) fn json(entry: &Entry<'_>) -> Value {
    let of_table = |table: &Table| {
        let keys: Vec<_> = table.keys.iter().map(|key| record(table, key)).collect();
        json!({"path": table.path, "repeated": table.repeated, "text": table.text, "keys": keys})
    };
    match entry {
        Entry::Tables(tables) => json!({"tables": tables.iter().map(of_table).collect::<Vec<_>>()}),
        Entry::Table(table, _) => of_table(table),
        Entry::Key(table, key) => record(table, key),
    }
}

fn record(table: &Table, key: &Key) -> Value {
    let Key { name: _, kind, required, default, text, choices, examples } = key;
    let choices: Vec<_> = choices.iter().map(|Choice { value, text }| json!({"value": value, "text": text})).collect();
    json!({
        "path": table.path_of(key), "kind": kind, "required": required, "default": default, "text": text,
        "choices": choices, "examples": examples,
    })
}

struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn line(&mut self, line: &str) {
        _ = writeln!(self.text, "{}", line.trim_end());
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        self.line(text);
        self.line("");
    }

    fn prose(&mut self, indent: usize, text: &str) {
        for line in wrapped(&text.replace('\n', " "), self.width - indent).iter().filter(|line| !line.is_empty()) {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    fn tables(&mut self, tables: &[Table]) {
        self.line("The tables of a profile; `vmrun explain cpu` tells the keys of one.");
        self.line("");
        let widest = tables.iter().map(|table| columns(&table.header())).max().unwrap_or_default();
        for table in tables.iter().filter(|table| !table.path.is_empty()) {
            self.pair(&table.header(), widest, &first_sentence(&table.text));
        }
        let Some(root) = tables.iter().find(|table| table.path.is_empty()) else { return };
        self.heading("Above the first table:");
        for key in &root.keys {
            self.pair(&key.name, widest, &first_sentence(&key.text));
        }
    }

    fn table(&mut self, table: &Table, reference: &Reference) {
        self.line(&table.header());
        for paragraph in table.text.split("\n\n") {
            self.prose(2, paragraph);
        }
        for key in &table.keys {
            self.line("");
            let words = wrapped(&format!("{}  {}", key.name, summary(key)), self.width - INDENT);
            self.line(&format!("  {}", words[0]));
            for line in &words[1..] {
                self.line(&format!("{:INDENT$}{line}", ""));
            }
            self.prose(INDENT, &first_sentence(&key.text));
        }
        let below = format!("{}.", table.path);
        let inner: Vec<_> = reference.tables.iter().filter(|inner| inner.path.starts_with(&below)).collect();
        if !inner.is_empty() {
            self.heading("Tables in it:");
        }
        let widest = inner.iter().map(|inner| columns(&inner.header())).max().unwrap_or_default();
        for inner in inner {
            self.pair(&inner.header(), widest, &first_sentence(&inner.text));
        }
    }

    fn key(&mut self, table: &Table, key: &Key) {
        let place =
            if table.path.is_empty() { "above the first table".to_owned() } else { format!("in {}", table.header()) };
        self.line(&format!("{}  {place}", key.name));
        self.prose(2, &summary(key));
        for paragraph in key.text.split("\n\n") {
            self.line("");
            self.prose(2, paragraph);
        }
        if key.choices.len() > 1 {
            self.line("");
            self.choices(&key.choices);
        }
        if !key.examples.is_empty() {
            self.line("");
            for example in &key.examples {
                self.prose(2, &format!("{} = {example}", key.name));
            }
        }
    }

    fn choices(&mut self, choices: &[Choice]) {
        if choices.iter().all(|choice| choice.text.is_empty()) {
            let values: Vec<_> = choices.iter().map(|choice| &*choice.value).collect();
            return self.prose(2, &values.join(", "));
        }
        let widest = choices.iter().map(|choice| columns(&choice.value)).max().unwrap_or_default();
        for choice in choices {
            self.pair(&choice.value, widest, &choice.text);
        }
    }

    /// A word, and beside it what it means.
    fn pair(&mut self, word: &str, widest: usize, meaning: &str) {
        let indent = widest + 4;
        let lines = wrapped(&meaning.replace('\n', " "), self.width - indent);
        self.line(&format!("  {word:widest$}  {}", lines[0]));
        for line in &lines[1..] {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }
}

/// What is written at a key, and what counts without it.
fn summary(key: &Key) -> String {
    let default = match (&key.default, key.required) {
        (_, true) => ", required".to_owned(),
        (Some(default), false) => format!(", {default} unless given"),
        (None, false) => String::new(),
    };
    format!("{}{default}", key.kind)
}
