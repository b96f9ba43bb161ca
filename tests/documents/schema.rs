//! `vmrun schema`, judged by a validator: it takes what the types take, and has their keys.

use crate::held;
use crate::materials::{self, Material};
use crate::setup;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use vmrun::profile::Profile;
use vmrun::profile::reference::{Reference, Table, schema};

fn validator() -> Validator {
    jsonschema::draft7::new(&schema()).expect("the schema is one")
}

fn parsed(Material { name, text }: &Material) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_schema_is_that_of_its_golden() {
    held("tests/golden/schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn the_schema_is_one_of_draft_7() {
    jsonschema::draft7::meta::validate(&schema()).expect("the schema follows its meta schema");
    assert_eq!(schema()["$schema"], "http://json-schema.org/draft-07/schema#");
}

#[test]
fn the_program_prints_the_schema() {
    let output = Command::new(env!("CARGO_BIN_EXE_vmrun")).arg("schema").output().expect("it runs");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).expect("JSON"), schema());
}

#[test]
fn every_profile_that_is_planned_follows_the_schema() {
    let validator = validator();
    let all = materials::shipped().into_iter().chain(materials::of_documents()).chain(materials::planned_goldens());
    let wrong = all.flat_map(|material| {
        let value = parsed(&material);
        let errors: Vec<_> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        errors.into_iter().map(move |error| format!("{}: {error}", material.name))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

/// Judges profiles as editors do, by the schema that `vmrun new` puts beside them: a folder has both.
fn taplo(folder: &Path) -> Output {
    let schema_file = folder.join("schema.json");
    fs::write(&schema_file, schema().to_string()).expect("the schema is written");
    let files = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let mut command = Command::new(setup::path("VMRUN_TEST_TAPLO"));
    command.args(["lint", "--no-auto-config", "--schema"]).arg(format!("file://{}", schema_file.display()));
    command.args(files.filter(|file| file.extension().is_some_and(|it| it == "toml"))).output().expect("taplo runs")
}

#[test]
fn an_editor_finds_nothing_wrong_with_profiles_and_examples() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, Material { text, .. }) in materials::shipped().iter().chain(&materials::of_documents()).enumerate() {
        fs::write(folder.path().join(format!("{number}.toml")), text).expect("a file");
    }
    let output = taplo(folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(folder.path().join("misspelt.toml"), "schema = 1\nname = \"x\"\n[cpu]\ncoers = 3\n").expect("a file");
    let output = taplo(folder.path());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("'coers' was unexpected"));
}

#[test]
fn a_misspelt_key_of_any_table_breaks_the_schema() {
    let validator = validator();
    for table in own(&Reference::of(&schema())) {
        let broken: Value = toml::from_str(&misspelt(table)).expect("TOML");
        let errors: Vec<_> = validator.iter_errors(&broken).map(|error| error.to_string()).collect();
        assert!(errors.iter().any(|error| error.contains("misspelt")), "{}: {errors:?}", table.header());
    }
}

#[test]
fn the_schema_has_the_keys_of_the_types_and_no_others() {
    for table in own(&Reference::of(&schema())) {
        let refusal = toml::from_str::<Profile>(&misspelt(table)).expect_err("the key is unknown").message().to_owned();
        // "unknown field `misspelt`, expected one of `a`, `b`"
        let known: BTreeSet<&str> = refusal.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, keys_of(&schema(), &table.path).iter().map(String::as_str).collect(), "{}", table.header());
    }
}

/// Tables of fixed names.
fn own(reference: &Reference) -> impl Iterator<Item = &Table> {
    assert!(reference.tables.len() > 15);
    reference.tables.iter().filter(|table| !table.path.contains("NAME"))
}

/// A profile with an unknown key in `table`.
fn misspelt(table: &Table) -> String {
    let head = "schema = 1\nname = \"x\"\n";
    match &*table.path {
        "" => format!("{head}misspelt = 1\n"),
        path => {
            // A table of an entry of an array stands below that entry.
            let above =
                path.split_once('.').map(|(array, _)| format!("[[{array}]]\n")).filter(|_| is_of_an_array(path));
            format!("{head}{}{}\nmisspelt = 1\n", above.unwrap_or_default(), table.header())
        }
    }
}

/// Whether the first part of `path` is an array of tables.
fn is_of_an_array(path: &str) -> bool {
    let first = path.split('.').next().unwrap_or_default();
    Reference::of(&schema()).tables.iter().any(|table| table.path == first && table.header().starts_with("[["))
}

/// Keys of the table at `path`, with the tables in it.
fn keys_of(schema: &Value, path: &str) -> Vec<String> {
    let table = if path.is_empty() { schema } else { &schema["definitions"][path] };
    table["properties"].as_object().expect("a table has keys").keys().cloned().collect()
}

#[test]
fn values_of_the_wrong_kind_break_the_schema() {
    let validator = validator();
    let profile = |key: &str, value: Value| {
        let mut profile = json!({"schema": 1, "name": "x"});
        profile[key] = value;
        profile
    };
    for good in [profile("cpu", json!({"cores": 4})), profile("memory", json!({"size": "8GiB"}))] {
        assert!(validator.is_valid(&good), "{good}");
    }
    let bad = [
        profile("cpu", json!({"cores": 0})),
        profile("cpu", json!({"hv_vendor_id": "AuthenticAMD!"})),
        profile("cpu", json!({"model": null})),
        profile("memory", json!({"size": "8GB"})),
        profile("memory", json!({"size": 8192})),
        profile("pci", json!([{"host": "04:00.8"}])),
        profile("pci", json!([{}])),
        profile("name", json!("../x")),
        profile("schema", json!(2)),
    ];
    for bad in bad {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
