//! The text of a profile under construction: tables in the order of the documentation, with their comments.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use toml::Value;

/// Tables in the order in which they are written.
const ORDER: [&str; 41] = [
    "machine",
    "cpu",
    "cpu.smp_cache",
    "cpu.pinning",
    "memory",
    "numa",
    "tune",
    "firmware",
    "tpm",
    "clock",
    "boot",
    "kernel",
    "serial",
    "disk",
    "net",
    "pci",
    "mdev",
    "gpu",
    "usb_controller",
    "usb",
    "input",
    "share",
    "display",
    "audio",
    "looking_glass",
    "iommu",
    "watchdog",
    "rng",
    "vmgenid",
    "vsock",
    "agent",
    "smbios",
    "smbios.bios",
    "smbios.system",
    "smbios.board",
    "smbios.chassis",
    "smbios.processor",
    "fw_cfg",
    "acpi_table",
    "addresses",
    "pcie",
];

/// Tables that come last, in this order.
const LAST: [&str; 5] = ["hook", "service", "on", "stop", "qemu"];

/// Columns after which a comment goes on in the next line.
const WIDTH: usize = 110;

/// A line of a table.
#[derive(Clone, Debug)]
enum Line {
    Key(String, Value),
    Comment(String),
}

/// A table: its keys, and the comments among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// What stands above its header.
    above: Vec<String>,
    lines: Vec<Line>,
}

impl Table {
    /// Gives `key` a value; the last one counts.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let known = self.lines.iter_mut().find_map(|line| match line {
            Line::Key(known, old) if known == key => Some(old),
            Line::Key(..) | Line::Comment(_) => None,
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
            Line::Key(..) | Line::Comment(_) => None,
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

    /// Adds a comment below what is there.
    pub(super) fn comment(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Comment(text.into()));
    }

    /// Adds a question, and below it the line that would be its answer, commented out.
    pub(super) fn ask(&mut self, question: &str, line: &str) {
        self.comment(format!("To decide: {question}"));
        self.comment(line);
    }

    /// Adds a comment above the header.
    pub(super) fn above(&mut self, text: impl Into<String>) {
        self.above.push(text.into());
    }

    fn render(&self, out: &mut String) {
        // Where a key stands is free within a table, but no sub-table may come before a plain key.
        for line in &self.lines {
            match line {
                Line::Comment(text) => comment(text, out),
                Line::Key(key, value) => _ = writeln!(out, "{} = {}", name(key), shown(key, value)),
            }
        }
    }
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
fn comment(text: &str, out: &mut String) {
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

/// The whole profile.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    head: Vec<String>,
    top: Table,
    tables: BTreeMap<String, Table>,
    lists: BTreeMap<String, Vec<Table>>,
    tail: Vec<String>,
}

impl Page {
    /// What stands above the first table.
    pub(super) fn top(&mut self) -> &mut Table {
        &mut self.top
    }

    /// Adds a comment at the very start.
    pub(super) fn head(&mut self, text: impl Into<String>) {
        self.head.push(text.into());
    }

    /// Adds a comment at the very end.
    pub(super) fn tail(&mut self, text: impl Into<String>) {
        self.tail.push(text.into());
    }

    /// The table `name`, which is there from now on.
    pub(super) fn table(&mut self, name: &str) -> &mut Table {
        self.tables.entry(name.into()).or_default()
    }

    /// The table `name`, if it is there.
    pub(super) fn known(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The value at `table.key`.
    pub(super) fn get(&self, table: &str, key: &str) -> Option<&Value> {
        self.tables.get(table)?.get(key)
    }

    /// Adds a table to the list `name`.
    pub(super) fn push(&mut self, name: &str) -> &mut Table {
        let list = self.lists.entry(name.into()).or_default();
        list.push(Table::default());
        let last = list.len() - 1;
        &mut list[last]
    }

    /// The tables of the list `name`.
    pub(super) fn list(&mut self, name: &str) -> &mut Vec<Table> {
        self.lists.entry(name.into()).or_default()
    }

    /// Number of tables in the list `name`.
    pub(super) fn count(&self, name: &str) -> usize {
        self.lists.get(name).map_or(0, Vec::len)
    }

    /// The text of all tables.
    pub(super) fn tables(&self) -> String {
        let mut out = String::new();
        for name in ORDER.into_iter().chain(LAST) {
            let single = self.tables.get(name).into_iter().map(|table| (format!("[{name}]"), table));
            let list = self.lists.get(name).into_iter().flatten().map(|table| (format!("[[{name}]]"), table));
            for (header, table) in single.chain(list) {
                out.push('\n');
                table.above.iter().for_each(|text| comment(text, &mut out));
                out.push_str(&header);
                out.push('\n');
                table.render(&mut out);
            }
        }
        out
    }

    /// The text of the profile.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        self.head.iter().for_each(|text| comment(text, &mut out));
        if !self.head.is_empty() {
            out.push('\n');
        }
        self.top.above.iter().for_each(|text| comment(text, &mut out));
        out.push_str("schema = 1\n");
        self.top.render(&mut out);
        out.push_str(&self.tables());
        if !self.tail.is_empty() {
            out.push('\n');
        }
        self.tail.iter().for_each(|text| comment(text, &mut out));
        out
    }
}

/// A name that a guest can have, made of `text`.
pub(super) fn guest_name(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = text.trim().chars().map(kept).collect();
    let name: String = name.trim_start_matches(['-', '.']).chars().take(48).collect();
    if name.is_empty() { "guest".into() } else { name }
}

/// An amount of bytes as a profile has it.
pub(super) fn size(bytes: u64) -> String {
    crate::unit::Size::from_bytes(bytes).to_string()
}

/// A whole number as a value; TOML's are signed.
pub(super) fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
