//! Each key that a profile can have goes through the doors in some case.

use crate::silence::planned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Keys that no planned case has, and why.
const WITHOUT: [(&str, &str); 0] = [];

/// Keys whose tables have names of the user's own below them.
const NAMED: [&str; 3] = ["addresses", "qemu.env", "variant"];

/// Adds the keys below `prefix` that `schema` names.
fn of_schema(root: &Value, schema: &Value, prefix: &str, keys: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/definitions/").expect("all are there");
        return of_schema(root, &root["definitions"][name], prefix, keys);
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        keys.insert(key.clone());
        if !NAMED.contains(&key.as_str()) {
            of_schema(root, schema, &key, keys);
        }
    }
    for part in ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|part| schema[part].as_array()).flatten() {
        of_schema(root, part, prefix, keys);
    }
    of_items(root, &schema["items"], prefix, keys);
}

/// Entries of a list have the list's key.
fn of_items(root: &Value, items: &Value, prefix: &str, keys: &mut BTreeSet<String>) {
    if items.is_object() {
        of_schema(root, items, prefix, keys);
    }
}

/// Adds the keys of `value`, without numbers of entries.
fn of_document(value: &toml::Value, prefix: &str, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                of_document(value, &key, keys);
                keys.insert(key);
            }
        }
        toml::Value::Array(entries) => entries.iter().for_each(|entry| of_document(entry, prefix, keys)),
        _ => {}
    }
}

#[test]
fn every_key_of_a_profile_goes_through_the_doors_in_some_case() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).expect("it is there")).expect("it is JSON");
    let (mut known, mut used) = (BTreeSet::new(), BTreeSet::new());
    of_schema(&schema, &schema, "", &mut known);
    assert!(known.len() > 300, "only {} keys", known.len());
    for planned in planned() {
        of_document(&toml::Value::Table(planned.document()), "", &mut used);
        let text: toml::Table = planned.case.text.parse().expect("it is planned");
        of_document(&toml::Value::Table(text), "", &mut used);
    }
    let absent: BTreeSet<&str> = known.difference(&used).map(String::as_str).collect();
    let told: BTreeSet<&str> = WITHOUT.iter().map(|(key, _)| *key).collect();
    assert_eq!(absent, told, "a case for each key, or a reason");
}
