//! `without = ["disk", "usb[0]"]`: what a layer leaves out of those below it.

use super::document::{Document, Turn};
use super::keys::written;
use super::{Mistake, path, words};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const KEY: &str = "without";

/// What a layer wants to be left out.
pub(super) type Without<'t> = Vec<Spanned<DeValue<'t>>>;

/// Takes the key out of `layer`; also what is no list of texts, which is noted in `mistakes`.
pub(super) fn take<'t>(layer: &mut DeTable<'t>, mistakes: &mut Vec<Mistake>) -> Option<(Range<usize>, Without<'t>)> {
    let (key, value) = layer.remove_entry(KEY)?;
    let span = value.span();
    let DeValue::Array(keys) = value.into_inner() else {
        mistakes.push(wrong(span));
        return None;
    };
    let (texts, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.get_ref().is_str());
    mistakes.extend(others.into_iter().map(|other| wrong(other.span())));
    Some((key.span(), texts))
}

fn wrong(span: Range<usize>) -> Mistake {
    Mistake::new(span, "this is no list of keys").help("write it like without = [\"pci\", \"usb\"]")
}

/// Leaves `keys` out of `below`; notes those that are not there.
pub(super) fn apply(below: &mut Document<'_>, keys: Without<'_>, mistakes: &mut Vec<Mistake>) {
    let mut ways = Vec::new();
    for key in keys {
        let text = key.get_ref().as_str().unwrap_or_default();
        let way = path::steps(text).map(|steps| path::turns(&steps));
        match way.filter(|way| below.get(way).is_some()) {
            Some(way) => ways.push(way),
            None => mistakes.push(absent(below, text, key.span())),
        }
    }
    // The last entry of an array first, so that the numbers of the others stay true.
    ways.sort_by_key(|way| std::cmp::Reverse(last_index(way)));
    for way in ways {
        below.remove(&way);
    }
}

fn last_index(way: &[Turn]) -> usize {
    match way.last() {
        Some(Turn::Index(index)) => *index,
        _ => 0,
    }
}

fn absent(below: &Document<'_>, text: &str, span: Range<usize>) -> Mistake {
    let there: Vec<String> = below.nodes().iter().map(|node| written(&node.path)).collect();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let mistake = Mistake::new(span, format!("there is no `{}` to leave out", text.escape_debug()));
    let known: Vec<&str> = there.iter().copied().filter(|key| !key.contains(['.', '['])).collect();
    match words::nearest(text, &there) {
        Some(meant) => mistake.help(format!("did you mean `{meant}`?")),
        None => mistake.help(format!("below are {}", known.join(", "))),
    }
}
