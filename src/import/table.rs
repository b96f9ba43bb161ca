//! A table of a profile under construction: its keys, and the comments among them.

use std::fmt::Write as _;
use toml::Value;

/// Columns after which a comment goes on in the next line.
const WIDTH: usize = 110;

/// A line of a table.
#[derive(Clone, Debug)]
enum Line {
    Key(String, Value),
    Comment(String),
    /// A line of the profile that is commented out.
    Answer(String),
}

/// A table: its keys, and the comments among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// What stands above its header.
    above: Vec<String>,
    lines: Vec<Line>,
    /// What has to be decided before it can be a part of the profile; it is commented out until then.
    questions: Vec<String>,
}

impl Table {
    /// Gives `key` a value; the last one counts.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let known = self.lines.iter_mut().find_map(|line| match line {
            Line::Key(known, old) if known == key => Some(old),
            Line::Key(..) | Line::Comment(_) | Line::Answer(_) => None,
        });
        match known {
            Some(old) => *old = value,
            None => self.lines.push(Line::Key(key.into(), value)),
        }
    }

    /// Gives `key` the value that is there, if any.
    pub(super) fn maybe(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.lines.iter().find_map(|line| match line {
            Line::Key(known, value) if known == key => Some(value),
            Line::Key(..) | Line::Comment(_) | Line::Answer(_) => None,
        })
    }

    /// The text at `key`.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// Takes `key` away.
    pub(super) fn remove(&mut self, key: &str) {
        self.lines.retain(|line| !matches!(line, Line::Key(known, _) if known == key));
    }

    /// Adds `value` at the end of the list at `key`.
    pub(super) fn add(&mut self, key: &str, value: impl Into<Value>) {
        let mut list = self.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        list.push(value.into());
        self.set(key, list);
    }

    /// Gives QEMU's device the property `name`; to be called for a passed function.
    pub(super) fn property(&mut self, name: &str, value: &str) {
        let mut all = self.get("properties").and_then(Value::as_table).cloned().unwrap_or_default();
        // QEMU takes no text for a number where devices are JSON.
        let number = super::xml::number(value).and_then(|number| i64::try_from(number).ok());
        let value = match (value, number.or_else(|| value.parse().ok())) {
            ("on" | "true", _) => Value::from(true),
            ("off" | "false", _) => Value::from(false),
            (_, Some(number)) => Value::from(number),
            (text, None) => Value::from(text),
        };
        all.insert(name.into(), value);
        self.set("properties", all);
    }

    /// Adds a comment below what is there.
    pub(super) fn comment(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Comment(text.into()));
    }

    /// Adds a question, and below it the line that would be its answer, commented out.
    pub(super) fn ask(&mut self, question: &str, line: &str) {
        self.comment(format!("To decide: {question}"));
        self.lines.push(Line::Answer(line.to_owned()));
    }

    /// Comments the whole table out below `question`: the guest would be another one with what is known of it.
    pub(super) fn put_off(&mut self, question: impl Into<String>) {
        self.questions.push(question.into());
    }

    /// Whether it is commented out.
    pub(super) fn is_put_off(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Its keys with their values.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Key(key, value) => Some((key.as_str(), value)),
            Line::Comment(_) | Line::Answer(_) => None,
        })
    }

    /// Comments the line of `key` out below `question`.
    pub(super) fn put_off_key(&mut self, key: &str, question: &str) {
        let known = |line: &Line| matches!(line, Line::Key(known, _) if known == key);
        let Some(at) = self.lines.iter().position(known) else { return };
        let mut text = String::new();
        self.lines[at].render(&mut text);
        let lines = [Line::Comment(format!("To decide: {question}")), Line::Answer(text.trim_end().to_owned())];
        self.lines.splice(at..=at, lines);
    }

    /// Adds a comment above the header.
    pub(super) fn above(&mut self, text: impl Into<String>) {
        self.above.push(text.into());
    }

    /// Writes it below `header`, which the keys at the top have none of.
    pub(super) fn render(&self, header: &str, out: &mut String) {
        self.above.iter().for_each(|text| comment(text, out));
        if self.questions.is_empty() {
            out.push_str(header);
            return self.lines.iter().for_each(|line| line.render(out));
        }
        self.questions.iter().for_each(|question| comment(&format!("To decide: {question}"), out));
        let mut text = header.to_owned();
        self.lines.iter().for_each(|line| line.render(&mut text));
        text.lines().for_each(|line| answer(line.trim_start_matches("# "), out));
    }
}

impl Line {
    fn render(&self, out: &mut String) {
        match self {
            Self::Comment(text) => comment(text, out),
            Self::Answer(text) => answer(text, out),
            Self::Key(key, value) => _ = writeln!(out, "{} = {}", name(key), shown(key, value)),
        }
    }
}

/// The question about an image of `format`.
pub(super) fn convert(format: &str) -> String {
    format!(
        "the image is `{format}`, and vmrun has raw and qcow2. `qemu-img convert -O qcow2 OLD NEW` makes one; with NEW as its file:"
    )
}

/// Writes `text`, which is lines of a profile, commented out.
fn answer(text: &str, out: &mut String) {
    text.lines().for_each(|line| _ = writeln!(out, "# {line}"));
}

/// A key as TOML has it.
fn name(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    // A key may not go over lines, which TOML's own way to show a text does. JSON's escapes are all TOML's.
    if bare { key.into() } else { serde_json::Value::from(key).to_string().replace('\u{7f}', "\\u007f") }
}

/// A value, numbers that are known in hexadecimal in that, long lists of texts one in a line.
fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::Integer(number) if key == "hv_spinlocks" => format!("{number:#x}"),
        Value::Array(items) if items.len() > 1 && key == "args" => {
            let items: String = items.iter().fold(String::new(), |all, item| all + &format!("    {item},\n"));
            format!("[\n{items}]")
        }
        Value::Table(table) => {
            let pairs: Vec<_> = table.iter().map(|(key, value)| format!("{} = {value}", name(key))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        value => value.to_string(),
    }
}

/// Writes `text` as comment lines.
pub(super) fn comment(text: &str, out: &mut String) {
    for line in text.lines() {
        let mut width = 1;
        out.push('#');
        for word in line.split_whitespace() {
            if width > 1 && width + word.chars().count() + 1 > WIDTH {
                out.push_str("\n#");
                width = 1;
            }
            out.push(' ');
            // A control character would break the line, or the TOML.
            out.extend(word.chars().filter(|c| !c.is_control()));
            width += word.chars().count() + 1;
        }
        out.push('\n');
    }
}
