//! The tables and keys of a profile, read from its schema.

use super::kind;
use serde_json::Value;

/// Everything that can stand in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The keys above the first table, under an empty path, then the tables in their order.
    pub tables: Vec<Table>,
}

/// One TOML table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name with those of the tables around it: `cpu.pinning`; empty for the keys above the first table.
    pub path: String,
    /// Whether it may stand several times, as `[[path]]`.
    pub repeated: bool,
    /// What it is for.
    pub text: String,
    /// Its keys, without the tables in it.
    pub keys: Vec<Key>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name without the table's.
    pub name: String,
    /// What is written there: `text`, `number from 1`, `list of texts`.
    pub kind: String,
    /// Whether the table is refused without it.
    pub required: bool,
    /// What counts when it is left out, as TOML; `None` when that depends, or is nothing.
    pub default: Option<String>,
    /// What it does, in paragraphs.
    pub text: String,
    /// The values to choose from, if they are fixed.
    pub choices: Vec<Choice>,
    /// Values to learn from, as TOML.
    pub examples: Vec<String>,
}

/// One of the values that a key takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As it is written in TOML.
    pub value: String,
    /// What it means; may be empty where the name says it.
    pub text: String,
}

impl Reference {
    /// What `schema` says.
    #[must_use]
    pub fn of(schema: &Value) -> Self {
        let mut tables = Vec::new();
        read(schema, schema, Head { path: String::new(), repeated: false, text: text(schema) }, &mut tables);
        Self { tables }
    }

    /// The table at `path`, like `cpu.pinning`.
    #[must_use]
    pub fn table(&self, path: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.path == path)
    }

    /// The table and the key at `path`, like `disk.cache`.
    #[must_use]
    pub fn key(&self, path: &str) -> Option<(&Table, &Key)> {
        let mut keys = self.tables.iter().flat_map(|table| table.keys.iter().map(move |key| (table, key)));
        keys.find(|(table, key)| table.path_of(key) == path)
    }

    /// The paths of all tables and keys.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let of = |table: &Table| {
            let keys: Vec<_> = table.keys.iter().map(|key| table.path_of(key)).collect();
            [table.path.clone()].into_iter().chain(keys)
        };
        self.tables.iter().flat_map(of).filter(|path| !path.is_empty()).collect()
    }

    /// The path that an unknown one was probably meant to be.
    #[must_use]
    pub fn nearest(&self, path: &str) -> Option<String> {
        let allowed = (path.chars().count() / 3).max(1);
        let distances = self.paths().into_iter().map(|known| (strsim::osa_distance(path, &known), known));
        distances.filter(|(distance, _)| *distance <= allowed).min().map(|(_, known)| known)
    }
}

impl Table {
    /// The path of a key of this table.
    #[must_use]
    pub fn path_of(&self, key: &Key) -> String {
        if self.path.is_empty() { key.name.clone() } else { format!("{}.{}", self.path, key.name) }
    }

    /// Its header as it stands in a profile: `[cpu]` or `[[disk]]`; empty for the keys above the first table.
    #[must_use]
    pub fn header(&self) -> String {
        match (&*self.path, self.repeated) {
            ("", _) => String::new(),
            (path, false) => format!("[{path}]"),
            (path, true) => format!("[[{path}]]"),
        }
    }
}

/// The first sentence of a text.
#[must_use]
pub fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    match paragraph.find(". ") {
        Some(end) => paragraph[..=end].to_owned(),
        None => paragraph,
    }
}

struct Head {
    path: String,
    repeated: bool,
    text: String,
}

/// Reads one table of `root`, then the tables in it.
fn read(schema: &Value, root: &Value, Head { path, repeated, text: about }: Head, tables: &mut Vec<Table>) {
    let own = schema["required"].as_array();
    let required = own.or_else(|| schema["anyOf"][0]["required"].as_array()).cloned().unwrap_or_default();
    let (mut keys, mut inner) = (Vec::new(), Vec::new());
    let mut named = Vec::new();
    for (name, value) in schema["properties"].as_object().into_iter().flatten() {
        let repeated = table_of(&value["items"], root).is_some();
        if let Some(table) = table_of(&value["additionalProperties"], root) {
            named.push(own_keys(name, value, table, schema));
            continue;
        }
        match table_of(value, root).or_else(|| table_of(&value["items"], root)) {
            Some(table) => {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let own = text(value);
                let about = if own.is_empty() { text(table) } else { own };
                inner.push((table, Head { path, repeated, text: about }));
            }
            None => keys.push(key(name, value, required.iter().any(|required| required == name))),
        }
    }
    tables.push(Table { path, repeated, text: about, keys });
    for (table, head) in inner {
        read(table, root, head, tables);
    }
    tables.extend(named);
}

/// The table of any name below `name`, with the keys that `around` has not as well.
fn own_keys(name: &str, schema: &Value, table: &Value, around: &Value) -> Table {
    let properties = table["properties"].as_object().into_iter().flatten();
    let own = properties.filter(|(key, _)| around["properties"].get(key.as_str()).is_none());
    let about = [text(schema), text(table)].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let keys = own.map(|(name, value)| key(name, value, false)).collect();
    Table { path: format!("{name}.NAME"), repeated: false, text: about, keys }
}

/// The definition of a table that `schema` refers to, if it does; the table may be the long form of a shorter value.
fn table_of<'r>(schema: &Value, root: &'r Value) -> Option<&'r Value> {
    let first = |key: &str| schema[key].get(0)?.get("$ref");
    let reference = schema.get("$ref").or_else(|| first("allOf")).or_else(|| first("anyOf"))?;
    root["definitions"].get(reference.as_str()?.strip_prefix("#/definitions/")?)
}

fn key(name: &str, schema: &Value, required: bool) -> Key {
    // Absent is as good as empty.
    let empty = |value: &&Value| {
        value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
    };
    let examples = schema["examples"].as_array().or_else(|| schema["items"]["examples"].as_array());
    Key {
        name: name.to_owned(),
        kind: kind::of(schema),
        required,
        default: schema.get("default").filter(|value| !empty(value)).map(toml),
        text: text(schema),
        choices: kind::choices(schema),
        examples: examples.into_iter().flatten().map(toml).collect(),
    }
}

fn text(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// A value as it stands behind the `=` of a profile.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let pairs: Vec<_> = table.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}
