//! An XML file as a tree whose pieces remember whether somebody looked at them.

use super::report::{Fate, Report};
use crate::plan::{Class, Problem};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, escape};
use std::cell::{Cell, RefCell};

/// Deepest element that is read; libvirt's own go nine deep.
const DEEPEST: usize = 64;
/// Most elements that are read.
const MOST: usize = 100_000;

/// An attribute.
#[derive(Debug)]
struct Attribute {
    name: String,
    value: String,
    seen: Cell<bool>,
}

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Its name, with the prefix of its namespace as it is written.
    pub(super) name: String,
    /// Its line, from 1.
    pub(super) line: usize,
    attributes: Vec<Attribute>,
    /// The elements in it, in order.
    pub(super) children: Vec<Element>,
    text: String,
    /// Comments right before it.
    pub(super) comments: Vec<String>,
    seen: Cell<bool>,
    fates: RefCell<Vec<Fate>>,
}

impl Element {
    /// The value of the attribute `name`.
    pub(super) fn attr(&self, name: &str) -> Option<&str> {
        self.seen.set(true);
        let found = self.attributes.iter().find(|attribute| attribute.name == name)?;
        found.seen.set(true);
        Some(found.value.trim())
    }

    /// Whether the attribute `name` says yes: `yes`, `on` or `1`. `None` when it is not there.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.attr(name).map(|value| matches!(value, "yes" | "on" | "1" | "true"))
    }

    /// The attribute `name` as a number, decimal or with `0x`.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        number(self.attr(name)?)
    }

    /// The first element `name` in it.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.seen.set(true);
        let found = self.children.iter().find(|child| child.name == name)?;
        found.seen.set(true);
        Some(found)
    }

    /// All elements `name` in it.
    pub(super) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.seen.set(true);
        self.children.iter().filter(move |child| child.name == name).inspect(|child| child.seen.set(true))
    }

    /// All elements in it.
    pub(super) fn each(&self) -> impl Iterator<Item = &Element> {
        self.seen.set(true);
        self.children.iter().inspect(|child| child.seen.set(true))
    }

    /// The element that `path` leads to.
    pub(super) fn at(&self, path: &str) -> Option<&Element> {
        path.split('/').try_fold(self, |element, name| element.child(name))
    }

    /// Its text without space around it.
    pub(super) fn text(&self) -> &str {
        self.seen.set(true);
        self.text.trim()
    }

    /// The text of the element `name` in it; `None` when that is empty.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        Some(self.child(name)?.text()).filter(|text| !text.is_empty())
    }

    /// Notes that it is in the profile in another way.
    pub(super) fn translated(&self, how: impl Into<String>) {
        self.fate(Fate::Translated(how.into()));
    }

    /// Notes that it, with all in it, is not needed.
    pub(super) fn needless(&self, why: impl Into<String>) {
        self.take();
        self.fate(Fate::Needless(why.into()));
    }

    /// Notes that it, with all in it, cannot be had.
    pub(super) fn lost(&self, why: impl Into<String>) {
        self.take();
        self.fate(Fate::Lost(why.into()));
    }

    /// Notes that its user has to decide.
    pub(super) fn asked(&self, question: impl Into<String>) {
        self.fate(Fate::Asked(question.into()));
    }

    fn fate(&self, fate: Fate) {
        self.seen.set(true);
        self.fates.borrow_mut().push(fate);
    }

    /// Counts it and all in it as seen.
    pub(super) fn take(&self) {
        self.seen.set(true);
        self.attributes.iter().for_each(|attribute| attribute.seen.set(true));
        self.children.iter().for_each(Element::take);
    }

    /// Puts it and all in it into the report; `path` is that of what it stands in.
    pub(super) fn report(&self, path: &str, report: &mut Report) {
        let path = if path.is_empty() { self.name.clone() } else { format!("{path}/{}", self.name) };
        if !self.seen.get() {
            report.note(self.line, path, Fate::Lost("vmrun has nothing like it".into()));
            return;
        }
        let fates = self.fates.borrow();
        let whole = fates.iter().any(|fate| matches!(fate, Fate::Needless(_) | Fate::Lost(_)));
        if fates.is_empty() {
            report.note(self.line, path.clone(), Fate::Kept);
        }
        fates.iter().for_each(|fate| report.note(self.line, path.clone(), fate.clone()));
        for attribute in self.attributes.iter().filter(|attribute| !attribute.seen.get()) {
            let what = format!("{path}@{}='{}'", attribute.name, attribute.value);
            match attribute.name.starts_with("xmlns") {
                true => report.note(self.line, what, Fate::Needless("a profile has no namespaces".into())),
                false => report.note(self.line, what, Fate::Lost("vmrun has nothing like it".into())),
            }
        }
        if !whole {
            self.children.iter().for_each(|child| child.report(&path, report));
        }
    }
}

/// A number, decimal or with `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The root element of `text`, the content of the file `name`.
///
/// # Errors
/// When it is not well-formed, too deep, or has a document type, in which entities could be defined.
pub(super) fn parse(name: &str, text: &str) -> Result<Element, Problem> {
    let mut reader = Reader::from_str(text);
    let mut tree = Tree { name, text, open: Vec::new(), root: None, comments: Vec::new(), count: 0, line: 1, upto: 0 };
    loop {
        let before = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(text.len());
            tree.refuse(at, &format!("is not well-formed: {error}"))
        })?;
        match event {
            Event::Eof => return tree.finish(),
            event => tree.take(event, before)?,
        }
    }
}

/// The tree under construction.
struct Tree<'t> {
    name: &'t str,
    text: &'t str,
    open: Vec<Element>,
    root: Option<Element>,
    comments: Vec<String>,
    count: usize,
    /// Line of the byte `upto`: positions only grow, so that lines are counted once.
    line: usize,
    upto: usize,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, at: usize) -> Result<(), Problem> {
        match event {
            Event::Start(start) => self.open(&start, at),
            Event::Empty(start) => {
                self.open(&start, at)?;
                self.close();
                Ok(())
            }
            Event::End(_) => {
                self.close();
                Ok(())
            }
            Event::Text(text) => self.text(&text.into_inner()),
            Event::CData(text) => self.text(&text.into_inner()),
            Event::GeneralRef(reference) => self.reference(&reference, at),
            Event::Comment(text) => {
                self.comments.push(text.into_inner().trim().to_owned());
                Ok(())
            }
            Event::DocType(_) => {
                let problem = self.refuse(at, "has a document type");
                Err(problem.why("entities that it could define may grow without bound").fix("delete the <!DOCTYPE …>"))
            }
            Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, at: usize) -> Result<(), Problem> {
        self.count += 1;
        if self.open.len() >= DEEPEST || self.count > MOST {
            return Err(self.refuse(at, "has more elements in each other, or in all, than any guest needs"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.refuse(at, "has a second root element; give one guest at a time"));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute =
                attribute.map_err(|error| self.refuse(at, &format!("has an attribute that is broken: {error}")))?;
            let value = escape::unescape(&attribute.value)
                .map_err(|error| self.refuse(at, &format!("has an attribute that is broken: {error}")))?;
            let name = attribute.key.as_ref().to_owned();
            attributes.push(Attribute { name, value: value.into_owned(), seen: Cell::new(false) });
        }
        let name = start.name().as_ref().to_owned();
        let (line, comments) = (self.line_of(at), std::mem::take(&mut self.comments));
        self.open.push(Element { name, line, attributes, comments, ..Element::default() });
        Ok(())
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Problem> {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        } else if !text.trim().is_empty() {
            return Err(self.refuse(self.upto, "has text outside of its root element"));
        }
        Ok(())
    }

    /// One of the five entities that XML itself has, or a character by number.
    fn reference(&mut self, reference: &BytesRef<'_>, at: usize) -> Result<(), Problem> {
        let name = reference.borrow().into_inner().into_owned();
        match escape::unescape(&format!("&{name};")) {
            Ok(text) => self.text(&text),
            Err(_) => {
                Err(self.refuse(at, &format!("names the entity `{}`, which nothing defines", name.escape_debug())))
            }
        }
    }

    /// Line of the byte `at`.
    fn line_of(&mut self, at: usize) -> usize {
        let at = at.min(self.text.len());
        if at > self.upto {
            self.line += self.text.get(self.upto..at).unwrap_or_default().matches('\n').count();
            self.upto = at;
        }
        self.line
    }

    fn refuse(&self, at: usize, what: &str) -> Problem {
        let line = self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1;
        Problem::new(Class::Invalid, "", format!("{}: line {line} {what}", self.name))
    }

    fn finish(mut self) -> Result<Element, Problem> {
        match (self.open.pop(), self.root.take()) {
            (None, Some(root)) => Ok(root),
            (Some(open), _) => {
                let what = format!("has the element <{}>, which nothing closes; the file is cut off", open.name);
                Err(Problem::new(Class::Invalid, "", format!("{}: line {} {what}", self.name, open.line)))
            }
            (None, None) => Err(Problem::new(Class::Invalid, "", format!("{} has no element", self.name))),
        }
    }
}
