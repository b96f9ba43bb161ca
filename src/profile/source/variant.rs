//! `[variant.NAME]`: tables that are laid over the profile's when the name is asked for.

use super::document::{Document, Turn};
use super::{Layered, Mistake, merge, without, words};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The key of the table that holds them.
const KEY: &str = "variant";

/// Keys that a layer has and a variant has not.
const FOREIGN: [(&str, &str); 2] = [
    ("extends", "only a file extends another; write it above the first table"),
    ("variant", "write [variant.OTHER] beside it, and ask for both: --variant NAME --variant OTHER"),
];

/// Names of the variants.
pub(super) fn names(document: &Document<'_>) -> Vec<String> {
    let variants = document.get(&[Turn::Key(KEY.into())]).and_then(|value| value.get_ref().as_table());
    let tables = variants.into_iter().flat_map(|table| table.iter()).filter(|(_, value)| value.get_ref().is_table());
    tables.map(|(name, _)| name.get_ref().to_string()).collect()
}

/// Lays the variant `name` over the document; notes what is wrong with it as a variant.
pub(super) fn apply<T: Layered>(document: &mut Document<'_>, name: &str, mistakes: &mut Vec<Mistake>) {
    let way = [Turn::Key(KEY.into()), Turn::Key(name.into())];
    let Some(DeValue::Table(table)) = document.get(&way).map(Spanned::get_ref) else { return };
    let mut table: DeTable<'_> = table.clone();
    for (key, help) in FOREIGN {
        if let Some((key, _)) = table.remove_entry(key) {
            mistakes.push(Mistake::new(key.span(), format!("a variant has no `{}`", key.get_ref())).help(help));
        }
    }
    if let Some((_, keys)) = without::take(&mut table, mistakes) {
        without::apply(document, keys, mistakes);
    }
    merge::over::<T>(document.root.get_mut(), table);
}

/// Without the variants, which have been laid over or not; what is no variant stays to be found wrong.
pub(super) fn forget(document: &mut Document<'_>) {
    for name in names(document) {
        document.remove(&[Turn::Key(KEY.into()), Turn::Key(name)]);
    }
}

/// The mistake that no variant has the name `word`.
pub(super) fn unknown(word: &str, span: Range<usize>, known: &[String]) -> Mistake {
    let mistake = Mistake::new(span, format!("there is no variant `{}`", word.escape_debug()));
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match words::nearest(word, &known) {
        _ if known.is_empty() => mistake.help("the profile has no variants; [variant.NAME] makes one"),
        Some(meant) if known.len() == 1 => mistake.help(format!("did you mean `{meant}`?")),
        Some(meant) => mistake.help(format!("did you mean `{meant}`? the variants are {}", known.join(", "))),
        None => mistake.help(format!("the variants are {}", known.join(", "))),
    }
}
