//! The reference in the documents is made of the types, and their profiles can be planned.

use crate::cases::{Case, Failure};
use crate::materials::{self, Material};
use crate::scene::Scene;
use crate::{held, text};
use std::fmt::Write as _;
use std::path::Path;
use vmrun::profile::reference::{Key, Reference, Table, schema};

const START: &str = "<!-- profile reference -->\n";
const END: &str = "<!-- /profile reference -->\n";

#[test]
fn the_reference_in_the_documents_is_that_of_the_types() {
    let all = materials::documents();
    let (name, text) = all.iter().find(|(_, text)| text.contains(START)).expect("a document has the reference");
    let (before, rest) = text.split_once(START).expect("its start");
    let (_, after) = rest.split_once(END).expect("its end");
    held(name, &format!("{before}{START}{}{END}{after}", markdown(&Reference::of(&schema()))));
}

#[test]
fn every_link_in_a_document_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut followed = 0;
    for (name, text) in materials::documents() {
        let folder = root.join(&name).parent().expect("a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                assert!(folder.join(file).exists(), "{name}: {link}");
                followed += 1;
            }
        }
    }
    assert!(followed >= 5, "only {followed} links");
}

#[test]
fn every_profile_in_the_documents_can_be_planned() {
    let refused: Vec<String> = materials::of_documents().iter().filter_map(why_not).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// Why a profile cannot be planned on the captured host, if it cannot.
fn why_not(Material { name, text }: &Material) -> Option<String> {
    let path = Path::new("README.md").to_owned();
    let scene = Scene::parse("", &path);
    let case = Case { golden: path.clone(), path, variant: None, text: text.clone(), scene };
    match case.plan() {
        Ok(_) => None,
        Err(Failure::Text(mistake)) => Some(format!("{name}\n{mistake}")),
        Err(Failure::Refused(refusal)) => Some(format!("{name}\n{}", text::problems(&refusal.problems))),
    }
}

#[test]
fn every_table_and_key_says_what_it_is_for() {
    let reference = Reference::of(&schema());
    let silent = reference.tables.iter().flat_map(|table| {
        let own = table.text.is_empty().then(|| table.header());
        own.into_iter().chain(table.keys.iter().filter(|key| key.text.is_empty()).map(|key| table.path_of(key)))
    });
    assert_eq!(silent.collect::<Vec<_>>(), Vec::<String>::new(), "a doc comment on the field is what users read");
}

fn markdown(reference: &Reference) -> String {
    let mut page = String::from(
        "\nThe same, with everything there is to say about a key: `vmrun explain TABLE.KEY`. `vmrun schema` prints it as JSON \
         Schema,\nfor editors that complete and explain. Sizes are units of 1024: `8G` or `8GiB`.\n",
    );
    for table in &reference.tables {
        let title =
            if table.path.is_empty() { "Above the first table".to_owned() } else { format!("`{}`", table.header()) };
        write!(page, "\n### {title}\n").expect("a string takes all");
        if !table.path.is_empty() {
            write!(page, "\n{}\n", table.text).expect("a string takes all");
        }
        page.push_str(&keys(table));
    }
    page.push('\n');
    page
}

fn keys(table: &Table) -> String {
    if table.keys.is_empty() {
        return String::new();
    }
    let mut rows = String::from("\n| key | value | unless given | |\n| --- | --- | --- | --- |\n");
    for key in &table.keys {
        let cells = [format!("`{}`", key.name), cell(&key.kind), without(key), cell(&about(key))];
        writeln!(rows, "| {} |", cells.join(" | ")).expect("a string takes all");
    }
    rows
}

fn without(key: &Key) -> String {
    match (&key.default, key.required) {
        (_, true) => "**required**".to_owned(),
        (Some(default), false) => format!("`{}`", cell(default)),
        (None, false) => String::new(),
    }
}

/// The first paragraph about a key.
fn about(key: &Key) -> String {
    key.text.split("\n\n").next().unwrap_or_default().to_owned()
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
