//! The document that the texts of a profile make together, lowest layer first: files from the last base to the profile's
//! own, variants in the order in which they are asked for, values of the command line.

use super::document::Document;
use super::sheets::{Kind, Sheets};
use super::syntax::{self, Parsed};
use super::{Layered, Mistake, bounds, folder, merge, set, shift, variant, without};
use toml::Spanned;
use toml::de::DeTable;

/// The layers, laid over each other.
pub(super) struct Layers<'t> {
    /// What the profile is, as asked for.
    pub(super) parsed: Parsed<'t>,
    /// What it would be with one of the other variants, so that their mistakes are found too.
    pub(super) others: Vec<Parsed<'t>>,
    /// Whether all texts could be read.
    pub(super) complete: bool,
    /// Whether every layer lies where it was meant to: then what is no mistake is what the user means.
    pub(super) settled: bool,
}

/// Lays the texts over each other.
///
/// # Errors
/// All mistakes of syntax, when some of them put the rest of a text in doubt.
pub(super) fn of<T: Layered>(sheets: &Sheets) -> Result<Layers<'_>, Vec<Mistake>> {
    let Files { mut parsed, mut settled } = files::<T>(sheets)?;
    let complete = sheets.mistakes().is_empty();
    let known = variant::names(&parsed.document);
    let mut asked = Vec::new();
    for (_, start, word) in sheets.each().filter(|(kind, ..)| **kind == Kind::Variant) {
        if known.iter().any(|known| known == word) {
            asked.push(word.to_owned());
        } else if complete {
            settled = false;
            parsed.mistakes.push(variant::unknown(word, start..start + word.len(), &known));
        }
    }
    let others = known.iter().filter(|name| !asked.contains(name));
    let mut others: Vec<_> = others.map(|name| with_variants::<T>(&parsed, std::slice::from_ref(name))).collect();
    let before = parsed.mistakes.len();
    let mut parsed = with_variants::<T>(&parsed, &asked);
    settled &= parsed.mistakes.len() == before;
    for (_, start, text) in sheets.each().filter(|(kind, ..)| **kind == Kind::Set) {
        for parsed in others.iter_mut().chain([&mut parsed]) {
            let set = set::apply(&mut parsed.document, text, start);
            settled &= set.is_ok();
            parsed.mistakes.extend(set.err());
        }
    }
    for parsed in others.iter_mut().chain([&mut parsed]) {
        bounds::judge(parsed);
    }
    Ok(Layers { parsed, others, complete, settled: settled && complete })
}

/// The files over each other.
struct Files<'t> {
    parsed: Parsed<'t>,
    /// Whether nothing is wrong with how they lie.
    settled: bool,
}

/// Lays the files over each other.
fn files<T: Layered>(sheets: &Sheets) -> Result<Files<'_>, Vec<Mistake>> {
    let mut mistakes = sheets.mistakes().to_vec();
    let mut layers = Vec::new();
    let mut doubtful = false;
    for (kind, start, text) in sheets.each() {
        let Kind::File(dir) = kind else { continue };
        match syntax::parse(text) {
            Ok(parsed) => {
                let mut parsed = shift::parsed(parsed, start);
                bounds::judge(&mut parsed);
                layers.push((dir, parsed));
            }
            Err(found) => {
                doubtful = true;
                mistakes.extend(found.into_iter().map(|mistake| shift::mistake(mistake, start)));
            }
        }
    }
    if doubtful {
        mistakes.extend(layers.into_iter().flat_map(|(_, parsed)| parsed.mistakes));
        return Err(mistakes);
    }
    let root = Spanned::new(0..0, DeTable::new());
    let mut whole = Parsed { document: Document { root }, mistakes, spoiled: Vec::new(), shortened: false };
    let mut settled = true;
    for (index, (dir, parsed)) in layers.into_iter().rev().enumerate() {
        let Parsed { mut document, mistakes, spoiled, shortened } = parsed;
        whole.mistakes.extend(mistakes);
        whole.spoiled.extend(spoiled);
        whole.shortened |= shortened;
        if dir != sheets.dir() {
            folder::anchor::<T>(&mut document, dir);
        }
        let before = whole.mistakes.len();
        leave_out(&mut whole, &mut document, index > 0);
        settled &= whole.mistakes.len() == before;
        merge::over::<T>(whole.document.root.get_mut(), document.root.into_inner());
    }
    Ok(Files { parsed: whole, settled })
}

/// Takes out of the layers below what `document` leaves out.
fn leave_out<'t>(below: &mut Parsed<'t>, document: &mut Document<'t>, has_base: bool) {
    let Some((key, keys)) = without::take(document.root.get_mut(), &mut below.mistakes) else { return };
    if has_base {
        return without::apply(&mut below.document, keys, &mut below.mistakes);
    }
    let mistake = Mistake::new(key, "`without` leaves out what a base has, and this file extends none");
    below.mistakes.push(mistake.help("extends = \"base.toml\", or [variant.NAME] around it"));
}

fn with_variants<'t, T: Layered>(files: &Parsed<'t>, names: &[String]) -> Parsed<'t> {
    let Parsed { mut document, mut mistakes, spoiled, shortened } = files.clone();
    for name in names {
        variant::apply::<T>(&mut document, name, &mut mistakes);
    }
    variant::forget(&mut document);
    Parsed { document, mistakes, spoiled, shortened }
}
