//! The value of an option taken apart: what it is first, then its pairs.

use serde_json::Value;

/// Options whose first word is the value of a key, and that key, which may be written out. `-cpu` and `-vga` have none.
/// QEMU: `implied_opt_name` of each option, and `softmmu/vl.c`.
const IMPLIED: &[(&str, &str)] = &[
    ("M", "type"),
    ("accel", "accel"),
    ("audio", "driver"),
    ("audiodev", "driver"),
    ("chardev", "backend"),
    ("device", "driver"),
    ("display", "type"),
    ("fsdev", "fsdriver"),
    ("machine", "type"),
    ("net", "type"),
    ("netdev", "type"),
    ("nic", "type"),
    ("numa", "type"),
    ("object", "qom-type"),
    ("smp", "cpus"),
    ("tpmdev", "type"),
    ("virtfs", "fsdriver"),
];

/// The head of the value of the option `name`, and its pairs.
pub(super) fn of(name: &str, value: &str) -> (String, Vec<(String, String)>) {
    if let Some(json) = json(value) {
        return of_json(&json);
    }
    let (mut head, mut pairs) = split(value);
    if let Some((_, implied)) = IMPLIED.iter().find(|(option, _)| *option == name) {
        // The last one counts, as of any key.
        let written = pairs.extract_if(.., |(key, _)| key == implied).last();
        head = written.map_or(head, |(_, value)| value);
    }
    (head, pairs)
}

/// The object that a value is, if it is one.
fn json(value: &str) -> Option<Value> {
    if !value.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(&strict(value)).ok().filter(Value::is_object)
}

/// `json` with the texts in single quotes, which QEMU's reader takes too, in double ones. QEMU: `qobject/json-lexer.c`.
fn strict(json: &str) -> String {
    let mut out = String::new();
    let mut open = None;
    let mut chars = json.chars();
    while let Some(c) = chars.next() {
        match (c, open) {
            ('\'' | '"', None) => {
                open = Some(c);
                out.push('"');
            }
            (c, Some(quote)) if c == quote => {
                open = None;
                out.push('"');
            }
            ('"', Some(_)) => out.push_str("\\\""),
            ('\\', Some(_)) => match chars.next() {
                Some('\'') => out.push('\''),
                next => out.extend(std::iter::once('\\').chain(next)),
            },
            (c, _) => out.push(c),
        }
    }
    out
}

/// Takes a value apart at single commas; two of them are one in a value.
fn split(value: &str) -> (String, Vec<(String, String)>) {
    let mut parts = vec![String::new()];
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            (',', Some(',')) => {
                chars.next();
                parts.last_mut().into_iter().for_each(|part| part.push(','));
            }
            (',', _) => parts.push(String::new()),
            (c, _) => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    let mut head = String::new();
    let mut pairs = Vec::new();
    for (i, part) in parts.into_iter().enumerate() {
        match part.split_once('=') {
            Some((key, value)) => pairs.push((key.trim().to_owned(), value.to_owned())),
            None if i == 0 => head = part,
            None if part.is_empty() => {}
            // A switch alone is on, and one that begins with `no` off.
            None => pairs.push((part, "on".into())),
        }
    }
    (head, pairs)
}

/// The same of the JSON that newer QEMUs take: nested keys are joined by dots.
fn of_json(json: &Value) -> (String, Vec<(String, String)>) {
    let mut pairs = Vec::new();
    flatten("", json, &mut pairs);
    let kind = |key: &str| matches!(key, "driver" | "qom-type" | "type");
    let head = match pairs.iter().position(|(key, _)| kind(key)) {
        Some(at) => pairs.remove(at).1,
        None => String::new(),
    };
    (head, pairs)
}

fn flatten(path: &str, json: &Value, pairs: &mut Vec<(String, String)>) {
    let joined = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match json {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&joined(key), value, pairs)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| flatten(&joined(&i.to_string()), value, pairs));
        }
        Value::Bool(on) => pairs.push((path.into(), if *on { "on".into() } else { "off".into() })),
        Value::String(text) => pairs.push((path.into(), text.clone())),
        other => pairs.push((path.into(), other.to_string())),
    }
}

#[cfg(test)]
mod test {
    use super::of;

    /// How the value of the option `name` is written in the least of ways.
    fn taken(name: &str, value: &str) -> String {
        let (head, pairs) = of(name, value);
        pairs.iter().fold(head, |text, (key, value)| text + &format!(" {key}={value}"))
    }

    #[test]
    fn the_key_of_the_first_word_may_be_written_out_anywhere() {
        for (name, value) in [
            ("netdev", "type=tap,id=n"),
            ("netdev", "id=n,type=tap"),
            ("netdev", "user,id=n,type=tap"),
            ("device", "driver=tap,id=n"),
            ("object", "qom-type=tap,id=n"),
            ("chardev", "backend=tap,id=n"),
        ] {
            assert_eq!(taken(name, value), "tap id=n", "-{name} {value}");
        }
        assert_eq!(taken("smp", "cpus=8,cores=4"), "8 cores=4");
        assert_eq!(taken("smbios", "type=2"), " type=2");
    }

    #[test]
    fn json_may_have_its_texts_in_single_quotes() {
        let wanted = "ivshmem-plain id=shmem0 on=on";
        assert_eq!(taken("device", "{'driver':'ivshmem-plain','id':'shmem0','on':true}"), wanted);
        assert_eq!(taken("device", r#"{"driver":'ivshmem-plain',"id":"shmem0",'on':true}"#), wanted);
        assert_eq!(taken("device", r#"{'driver':'a"b','id':'it\'s','x':"it's"}"#), "a\"b id=it's x=it's");
    }
}
