//! What a value is, in the words of a person who writes TOML.

use super::{Choice, OTHER_SPELLING};
use serde_json::Value;

/// Most choices that are named where there is little room.
const FEW: usize = 6;

/// The kind of the values that `schema` takes: `text like "8G"`, `number from 1`, `"on" or "off"`, `list of texts`.
pub(super) fn of(schema: &Value) -> String {
    if let Some(name) = schema["title"].as_str() {
        return name.to_owned();
    }
    if let Some(parts) = schema["anyOf"].as_array() {
        return joined(parts.iter().filter(|part| told(part)).map(of).collect());
    }
    if is_choice(schema) {
        let values: Vec<_> = choices(schema).into_iter().map(|choice| choice.value).collect();
        return if values.len() > FEW { "choice".into() } else { joined(values) };
    }
    match schema["type"].as_str() {
        Some("boolean") => "true or false".into(),
        Some("integer") => format!("number{}", range(schema)),
        Some("number") => "number".into(),
        Some("array") if schema["items"].get("title").is_some() => format!("list of {}", of(&schema["items"])),
        Some("array") => format!("list of {}", plural(&of(&schema["items"]))),
        Some("object") => "table".into(),
        _ => match schema["examples"].get(0) {
            Some(example) => format!("text like {example}"),
            None => "text".into(),
        },
    }
}

/// The fixed values that `schema` takes, wherever in it they stand, with what each means.
pub(super) fn choices(schema: &Value) -> Vec<Choice> {
    let text = |schema: &Value| schema["description"].as_str().unwrap_or_default().to_owned();
    if let Some(value) = schema.get("const") {
        return vec![Choice { value: value.to_string(), text: text(schema) }];
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| Choice { value: value.to_string(), text: String::new() }).collect();
    }
    let parts = ["anyOf", "oneOf"].iter().filter_map(|key| schema[key].as_array()).flatten();
    parts.chain(schema.get("items")).filter(|part| told(part)).flat_map(choices).collect()
}

fn told(schema: &Value) -> bool {
    schema["$comment"] != OTHER_SPELLING
}

fn is_choice(schema: &Value) -> bool {
    ["const", "enum", "oneOf"].iter().any(|key| schema.get(key).is_some())
}

fn range(schema: &Value) -> String {
    match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(least), Some(most)) => format!(" {least} to {most}"),
        (Some(least), None) => format!(" from {least}"),
        (None, Some(most)) => format!(" to {most}"),
        (None, None) => String::new(),
    }
}

fn plural(kind: &str) -> String {
    match kind.split_once(' ') {
        _ if kind.contains(" or ") => format!("({kind})"),
        Some((first, rest)) => format!("{first}s {rest}"),
        None => format!("{kind}s"),
    }
}

/// One, two or three.
fn joined(mut kinds: Vec<String>) -> String {
    kinds.dedup();
    let last = kinds.pop().unwrap_or_default();
    if kinds.is_empty() { last } else { format!("{} or {last}", kinds.join(", ")) }
}
