//! The parsed text with the place of every key and value.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A document, from which wrong parts can be taken out.
#[derive(Clone, Debug)]
pub(super) struct Document<'t> {
    pub(super) root: Spanned<DeTable<'t>>,
}

/// One step on the way from the root to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Key(String),
    Index(usize),
}

/// A table or array for as long as the document is repaired: how deep it lies and where it stands. Paths would not do,
/// since the numbers in an array shift.
pub(super) type Place = (usize, Range<usize>);

/// The table that is the file.
pub(super) const ROOT: Place = (0, 0..0);

/// A value of the document, with the way to it.
#[derive(Debug)]
pub(super) struct Node<'d, 't> {
    pub(super) path: Vec<Turn>,
    /// Place of the key; `None` for an element of an array.
    pub(super) key: Option<Range<usize>>,
    /// Place of the value; of a table its header, or the key that implies it.
    pub(super) span: Range<usize>,
    pub(super) value: &'d DeValue<'t>,
}

impl Node<'_, '_> {
    pub(super) fn place(&self) -> Place {
        (self.path.len(), self.span.clone())
    }
}

impl<'t> Document<'t> {
    /// All values, outer ones before inner ones; without the root.
    pub(super) fn nodes(&self) -> Vec<Node<'_, 't>> {
        let mut nodes = Vec::new();
        table_nodes(self.root.get_ref(), &[], &mut nodes);
        nodes
    }

    /// The innermost value that stands at exactly `span`, or whose key does.
    pub(super) fn at(&self, span: &Range<usize>) -> Option<Node<'_, 't>> {
        let nodes = self.nodes();
        let by_value = nodes.iter().rposition(|node| node.span == *span);
        let index = by_value.or_else(|| nodes.iter().rposition(|node| node.key.as_ref() == Some(span)))?;
        nodes.into_iter().nth(index)
    }

    /// The value whose key stands at exactly `span`.
    pub(super) fn keyed(&self, span: &Range<usize>) -> Option<Node<'_, 't>> {
        self.nodes().into_iter().rfind(|node| node.key.as_ref() == Some(span))
    }

    /// The tables and arrays around the value at `path`, outermost first; without the root.
    pub(super) fn places(&self, path: &[Turn]) -> Vec<Place> {
        let around = |node: &Node<'_, '_>| node.path.len() < path.len() && path.starts_with(&node.path);
        self.nodes().iter().filter(|node| around(node)).map(Node::place).collect()
    }

    /// The way to the table or array at `place`; `None` for the root and when it is gone.
    pub(super) fn path_of(&self, place: &Place) -> Option<Vec<Turn>> {
        self.nodes().into_iter().find(|node| node.place() == *place).map(|node| node.path)
    }

    /// The value at `path`.
    pub(super) fn get(&self, path: &[Turn]) -> Option<&Spanned<DeValue<'t>>> {
        let (first, rest) = path.split_first()?;
        let Turn::Key(first) = first else { return None };
        let mut here = self.root.get_ref().get(first.as_str())?;
        for turn in rest {
            here = match (here.get_ref(), turn) {
                (DeValue::Table(table), Turn::Key(key)) => table.get(key.as_str())?,
                (DeValue::Array(array), Turn::Index(index)) => array.get(*index)?,
                _ => return None,
            };
        }
        Some(here)
    }

    /// Replaces the value at `path`, if there is one; a key keeps its place.
    pub(super) fn replace(&mut self, path: &[Turn], value: Spanned<DeValue<'t>>) {
        let Some((last, way)) = path.split_last() else { return };
        let old = match (self.inside(way), last) {
            (Some(Inside::Table(table)), Turn::Key(key)) => table.get_mut(key.as_str()),
            (Some(Inside::Array(array)), Turn::Index(index)) => array.get_mut(*index),
            _ => None,
        };
        if let Some(old) = old {
            *old = value;
        }
    }

    /// Leaves `most` elements of the array at `path`; returns how many there were and where the first of the others stood.
    pub(super) fn truncate(&mut self, path: &[Turn], most: usize) -> Option<(usize, Range<usize>)> {
        let Some(Inside::Array(array)) = self.inside(path) else { return None };
        let (count, place) = (array.len(), array.get(most)?.span());
        *array = array.iter().take(most).cloned().collect();
        Some((count, place))
    }

    /// Takes out the value at `path`.
    pub(super) fn remove(&mut self, path: &[Turn]) {
        let Some((last, way)) = path.split_last() else { return };
        match (self.inside(way), last) {
            (Some(Inside::Table(table)), Turn::Key(key)) => drop(table.remove(key.as_str())),
            (Some(Inside::Array(array)), Turn::Index(index)) => without(array, *index),
            _ => {}
        }
    }

    /// Puts `value` under `key` into the table at `path`; the key stands where the value does.
    pub(super) fn insert(&mut self, path: &[Turn], key: &str, value: Spanned<DeValue<'t>>) {
        self.insert_at(path, key, value.span(), value);
    }

    /// Puts `value` under `key` into the table at `path`; the key stands at `place`.
    pub(super) fn insert_at(&mut self, path: &[Turn], key: &str, place: Range<usize>, value: Spanned<DeValue<'t>>) {
        if let Some(Inside::Table(table)) = self.inside(path) {
            // The map would keep the place of an older key.
            table.remove(key);
            table.insert(Spanned::new(place, key.to_owned().into()), value);
        }
    }

    fn inside(&mut self, path: &[Turn]) -> Option<Inside<'_, 't>> {
        let mut here = Inside::Table(self.root.get_mut());
        for turn in path {
            let value = match (here, turn) {
                (Inside::Table(table), Turn::Key(key)) => table.get_mut(key.as_str())?,
                (Inside::Array(array), Turn::Index(index)) => array.get_mut(*index)?,
                _ => return None,
            };
            here = match value.get_mut() {
                DeValue::Table(table) => Inside::Table(table),
                DeValue::Array(array) => Inside::Array(array),
                _ => return None,
            };
        }
        Some(here)
    }
}

enum Inside<'d, 't> {
    Table(&'d mut DeTable<'t>),
    Array(&'d mut DeArray<'t>),
}

fn without(array: &mut DeArray<'_>, index: usize) {
    let mut kept = DeArray::new();
    for (_, element) in array.iter().enumerate().filter(|(at, _)| *at != index) {
        kept.push(element.clone());
    }
    *array = kept;
}

fn table_nodes<'d, 't>(table: &'d DeTable<'t>, way: &[Turn], nodes: &mut Vec<Node<'d, 't>>) {
    for (key, value) in table {
        let path = joined(way, Turn::Key(key.get_ref().to_string()));
        value_nodes(value, Some(key.span()), &path, nodes);
    }
}

fn value_nodes<'d, 't>(
    value: &'d Spanned<DeValue<'t>>,
    key: Option<Range<usize>>,
    path: &[Turn],
    nodes: &mut Vec<Node<'d, 't>>,
) {
    nodes.push(Node { path: path.to_vec(), key, span: value.span(), value: value.get_ref() });
    match value.get_ref() {
        DeValue::Table(table) => table_nodes(table, path, nodes),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                value_nodes(element, None, &joined(path, Turn::Index(index)), nodes);
            }
        }
        _ => {}
    }
}

fn joined(way: &[Turn], last: Turn) -> Vec<Turn> {
    way.iter().cloned().chain([last]).collect()
}
