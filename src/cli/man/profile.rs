//! vmrun-profile(5): every table and every key, of the types that read them.

use super::roff::Roff;
use crate::profile::reference::{Choice, Key, Reference, Table, schema};

/// A profile to start from.
const EXAMPLE: &str = include_str!("../../../examples/pinning.toml");

/// The page.
pub(super) fn page() -> String {
    let reference = Reference::of(&schema());
    let mut page = Roff::new("vmrun-profile", 5, "what can stand in a profile of vmrun");
    page.section("Description");
    page.prose(
        "A profile is a TOML file that describes one guest and what it needs of its host. `vmrun check` tells all mistakes in \
         one, `vmrun plan` what would be done; `vmrun explain TABLE.KEY` says the same as this page about one key, and \
         `vmrun schema` is for editors. Sizes are units of 1024: `8G` or `8GiB`.",
    );
    page.section("Keys");
    for table in &reference.tables {
        self::table(&mut page, table);
    }
    page.section("Example");
    page.verbatim(EXAMPLE);
    page.section("Files");
    page.term("~/.config/vmrun/NAME.toml", "");
    page.prose("A profile of the user, called NAME.");
    page.term("/etc/vmrun/NAME.toml", "");
    page.prose("A profile of the system, called NAME.");
    page.section("See also");
    page.prose("`vmrun`(1), `vmrun-plan`(1), `vmrun-explain`(1)");
    page.page()
}

fn table(page: &mut Roff, table: &Table) {
    match table.path.is_empty() {
        true => page.part("Above the first table"),
        false => {
            page.part(&table.header());
            let mut paragraphs = table.text.split("\n\n");
            page.prose(paragraphs.next().unwrap_or_default());
            for paragraph in paragraphs {
                page.paragraph();
                page.prose(paragraph);
            }
        }
    }
    for key in &table.keys {
        self::key(page, key);
    }
}

fn key(page: &mut Roff, key: &Key) {
    let default = match (&key.default, key.required) {
        (_, true) => ", required".to_owned(),
        (Some(default), false) => format!(", {default} unless given"),
        (None, false) => String::new(),
    };
    page.term(&key.name, &format!("{}{default}", key.kind));
    let mut paragraphs = key.text.split("\n\n");
    page.prose(paragraphs.next().unwrap_or_default());
    for paragraph in paragraphs {
        page.paragraph();
        page.prose(paragraph);
    }
    // One alone says what the key says.
    let choices = if key.choices.len() > 1 { &key.choices[..] } else { &[] };
    for Choice { value, text } in choices.iter().filter(|choice| !choice.text.is_empty()) {
        page.paragraph();
        page.prose(&format!("`{value}`: {text}"));
    }
    if !key.examples.is_empty() {
        let examples: Vec<_> = key.examples.iter().map(|example| format!("`{} = {example}`", key.name)).collect();
        page.paragraph();
        page.prose(&examples.join(", "));
    }
}
