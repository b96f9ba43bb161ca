//! What can stand in a profile, told by the types that read it: as JSON Schema for editors, as tables and keys for people.
//!
//! [`schema`] is made of the types and their doc comments; [`Reference`] is read from the schema, so that editors,
//! `vmrun explain` and the README cannot say different things.

mod kind;
mod language;
mod tidy;

pub use language::{Choice, Key, Reference, Table, first_sentence};

use super::Profile;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// `$comment` of a form that is accepted and told to nobody, because it is another spelling of one that is told.
pub(super) const OTHER_SPELLING: &str = "another spelling";

/// JSON Schema (draft 7) of a profile. Each TOML table is a definition under its own name; draft 7 is what taplo reads.
#[must_use]
pub fn schema() -> Value {
    let raw = SchemaSettings::draft07().into_generator().into_root_schema_for::<Profile>().to_value();
    let mut schema = json!({
        "$schema": raw["$schema"],
        "title": "Profile of vmrun",
        "description": "A guest and everything it needs of its host.",
    });
    let (root, definitions) = tidy::tidy(&raw);
    for (key, value) in root {
        schema[key] = value;
    }
    schema["definitions"] = Value::Object(definitions);
    // A profile that is laid over another may leave to it what every guest needs.
    let required = schema.as_object_mut().and_then(|root| root.remove("required"));
    schema["anyOf"] = json!([{ "required": required }, { "required": ["extends"] }]);
    schema
}
