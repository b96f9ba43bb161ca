//! Places of one text, moved to where that text stands among the others.

use super::Mistake;
use super::document::Document;
use super::syntax::Parsed;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The same with every place moved by `start`.
pub(super) fn parsed(parsed: Parsed<'_>, start: usize) -> Parsed<'_> {
    let Parsed { document: Document { root }, mistakes, spoiled, shortened } = parsed;
    let place = |span: Range<usize>| moved(span, start);
    let root = Spanned::new(place(root.span()), table(root.into_inner(), &place));
    Parsed {
        document: Document { root },
        mistakes: mistakes.into_iter().map(|mistake| self::mistake(mistake, start)).collect(),
        spoiled: spoiled.into_iter().map(place).collect(),
        shortened,
    }
}

pub(super) fn mistake(Mistake { span, what, help }: Mistake, start: usize) -> Mistake {
    Mistake { span: moved(span, start), what, help }
}

/// The same value with each place replaced by what `place` makes of it.
pub(super) fn value<'t>(
    value: Spanned<DeValue<'t>>,
    place: &impl Fn(Range<usize>) -> Range<usize>,
) -> Spanned<DeValue<'t>> {
    let span = place(value.span());
    let value = match value.into_inner() {
        DeValue::Table(inner) => DeValue::Table(table(inner, place)),
        DeValue::Array(inner) => DeValue::Array(inner.into_iter().map(|element| self::value(element, place)).collect()),
        scalar => scalar,
    };
    Spanned::new(span, value)
}

fn table<'t>(table: DeTable<'t>, place: &impl Fn(Range<usize>) -> Range<usize>) -> DeTable<'t> {
    let entries = table.into_iter();
    entries.map(|(key, inner)| (Spanned::new(place(key.span()), key.into_inner()), value(inner, place))).collect()
}

fn moved(span: Range<usize>, start: usize) -> Range<usize> {
    span.start + start..span.end + start
}
