//! A default that is told is the one that counts: written out, it changes no plan.

use crate::cases::{self, Case};
use crate::scene::Scene;
use crate::text;
use toml::{Table as Toml, Value};
use vmrun::profile::reference::{Key, Reference, Table, schema};

/// Cases tried for each key: the first ones that have its table without the key, and are planned with it.
const CASES: usize = 6;

#[test]
fn a_default_written_out_changes_no_plan() {
    let goldens: Vec<_> = cases::all().into_iter().filter_map(planned).collect();
    let reference = Reference::of(&schema());
    let mut tried = 0;
    for table in reference.tables.iter().filter(|table| !table.path.contains("NAME")) {
        for key in table.keys.iter().filter(|key| key.default.is_some()) {
            let default = key.default.as_deref().unwrap_or_default();
            let value = toml::from_str::<Toml>(&format!("it = {default}")).expect("TOML")["it"].clone();
            let path = table.path_of(key);
            let try_in = |absent: Absent| {
                let pairs =
                    goldens.iter().filter_map(|golden| Some((golden, golden.with(table, key, &value, absent)?)));
                let plans = pairs.filter_map(|(golden, text)| Some((golden, golden.plan_of(text)?)));
                plans.take(CASES).collect::<Vec<_>>()
            };
            let plans = Some(try_in(Absent::Stays)).filter(|plans| !plans.is_empty());
            let plans = plans.unwrap_or_else(|| try_in(Absent::IsEmpty));
            assert!(!plans.is_empty(), "no golden has the table of {path} without the key, to try its default with");
            tried += plans.len();
            for (golden, plan) in plans {
                assert_eq!(
                    plan,
                    golden.plan,
                    "{path} = {default} is not the default of {}",
                    golden.case.path.display()
                );
            }
        }
    }
    assert!(tried > 20, "only {tried} plans");
}

/// What a profile without the table counts as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Stays,
    IsEmpty,
}

struct Golden {
    case: Case,
    profile: Toml,
    plan: String,
}

fn planned(case: Case) -> Option<Golden> {
    let profile = toml::from_str(&case.text).ok()?;
    let plan = text::of(&case.plan().ok()?);
    Some(Golden { case, profile, plan })
}

impl Golden {
    /// The profile with `key` in each such table; `None` when there is none without it.
    fn with(&self, table: &Table, key: &Key, value: &Value, absent: Absent) -> Option<String> {
        let mut profile = self.profile.clone();
        let mut tables = vec![&mut profile];
        for name in table.path.split('.').filter(|name| !name.is_empty()) {
            if absent == Absent::IsEmpty && !table.repeated {
                for table in &mut tables {
                    table.entry(name).or_insert(Value::Table(Toml::new()));
                }
            }
            tables = tables.into_iter().filter_map(|table| table.get_mut(name)).flat_map(below).collect();
        }
        tables.retain(|table| !table.contains_key(&key.name));
        let some = !tables.is_empty();
        for table in tables {
            table.insert(key.name.clone(), value.clone());
        }
        some.then(|| profile.to_string())
    }

    fn plan_of(&self, text: String) -> Option<String> {
        let scene = Scene::parse(&self.case.text, &self.case.path);
        let case = Case {
            path: self.case.path.clone(),
            golden: self.case.golden.clone(),
            variant: self.case.variant.clone(),
            text,
            scene,
        };
        Some(text::of(&case.plan().ok()?))
    }
}

fn below(value: &mut Value) -> Vec<&mut Toml> {
    match value {
        Value::Table(table) => vec![table],
        Value::Array(tables) => tables.iter_mut().filter_map(Value::as_table_mut).collect(),
        _ => Vec::new(),
    }
}
