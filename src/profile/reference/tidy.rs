//! The schema as schemars derives it, made fit for TOML and its editors.
//!
//! TOML has no `null`, and draft 7 takes no notice of what stands beside a `$ref`. So a value's own type is put in the
//! place of the reference to it; only tables stay definitions, under the names that they have in a profile.

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// The root's own members, and the definitions of tables.
pub(super) fn tidy(raw: &Value) -> (Object, Object) {
    let mut tidy = Tidy { raw, names: Vec::new(), done: Object::new() };
    let mut root = Object::new();
    for key in ["type", "additionalProperties", "required", "properties"] {
        root.insert(key.into(), raw[key].clone());
    }
    // Tables of free names, which may hold any other table, come last: those have their own names by then.
    for free in [false, true] {
        tidy.properties(&mut root, "", |value| value.get("additionalProperties").is_some() == free);
    }
    (root, tidy.done)
}

struct Tidy<'r> {
    raw: &'r Value,
    /// Rust's name of each table met so far, and the path under which it was met first.
    names: Vec<(String, String)>,
    done: Object,
}

impl Tidy<'_> {
    fn properties(&mut self, table: &mut Object, path: &str, these: impl Fn(&Value) -> bool) {
        let Some(Value::Object(properties)) = table.get_mut("properties") else { return };
        for (key, value) in properties.iter_mut().filter(|(_, value)| these(value)) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            *value = self.value(value.take(), &path);
        }
    }

    fn value(&mut self, value: Value, path: &str) -> Value {
        let Value::Object(mut object) = value else { return value };
        while let Some(inner) = lone(&mut object) {
            match self.target(&inner) {
                Some((name, table)) if is_table(&table) => {
                    let reference = json!({"$ref": format!("#/definitions/{}", self.table(&name, table, path))});
                    if object.is_empty() {
                        return reference;
                    }
                    object.insert("allOf".into(), json!([reference]));
                    return Value::Object(object);
                }
                Some((_, target)) => absorb(&mut object, target),
                None => absorb(&mut object, inner),
            }
        }
        without_null(&mut object);
        for key in ["items", "additionalProperties"] {
            if let Some(value) = object.get_mut(key) {
                *value = self.value(value.take(), path);
            }
        }
        if let Some(Value::Object(patterns)) = object.get_mut("patternProperties") {
            for value in patterns.values_mut() {
                *value = self.value(value.take(), path);
            }
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(choices)) = object.get_mut(key) {
                for choice in choices {
                    *choice = self.value(choice.take(), path);
                }
            }
        }
        Value::Object(object)
    }

    /// What `inner` refers to, if it does.
    fn target(&self, inner: &Object) -> Option<(String, Object)> {
        let name = inner.get("$ref")?.as_str()?.strip_prefix("#/definitions/")?;
        let target = self.raw["definitions"][name].as_object()?;
        Some((name.to_owned(), target.clone()))
    }

    /// Makes the definition of a table, and returns its name.
    fn table(&mut self, name: &str, mut table: Object, path: &str) -> String {
        if let Some((_, known)) = self.names.iter().find(|(known, _)| known == name) {
            return known.clone();
        }
        self.names.push((name.to_owned(), path.to_owned()));
        // Its place is kept before those of the tables in it.
        self.done.insert(path.to_owned(), Value::Null);
        self.properties(&mut table, path, |_| true);
        self.done.insert(path.to_owned(), Value::Object(table));
        path.to_owned()
    }
}

fn is_table(object: &Object) -> bool {
    object.contains_key("properties")
}

/// Takes out of `object` the one schema that it is another name for: by reference, or by `allOf` or `anyOf` of one.
fn lone(object: &mut Object) -> Option<Object> {
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
    }
    if let Some(reference) = object.shift_remove("$ref") {
        return Some(Object::from_iter([("$ref".to_owned(), reference)]));
    }
    let key = ["allOf", "anyOf"].into_iter().find(|key| object.get(*key).is_some_and(is_lone))?;
    match object.shift_remove(key)?.as_array_mut()?.pop()? {
        Value::Object(inner) => Some(inner),
        _ => None,
    }
}

fn is_lone(choices: &Value) -> bool {
    choices.as_array().is_some_and(|choices| choices.len() == 1)
}

/// Adds to `object` what `inner` says and it does not. What both describe is first the key's text, then the type's, which
/// tells how such a value is written; choices tell that themselves.
fn absorb(object: &mut Object, inner: Object) {
    let choices = ["enum", "oneOf"].iter().any(|key| inner.contains_key(*key));
    for (key, value) in inner {
        match object.get(&key) {
            Some(Value::String(own)) if key == "description" && !choices => {
                if let Some(more) = value.as_str().and_then(|text| text.split("\n\n").next()) {
                    let both = format!("{own}\n\n{more}");
                    object.insert(key, both.into());
                }
            }
            Some(_) => {}
            None => _ = object.insert(key, value),
        }
    }
}

/// Drops `null`, which TOML does not have, and Rust's names of integers, which no validator knows.
fn without_null(object: &mut Object) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.shift_remove("default");
    }
    let of_rust =
        |format: &Value| format.as_str().is_some_and(|name| name.starts_with("int") || name.starts_with("uint"));
    if object.get("format").is_some_and(of_rust) {
        object.shift_remove("format");
    }
}
