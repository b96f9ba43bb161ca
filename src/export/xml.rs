//! Elements of XML, written.

use std::fmt::{self, Write as _};

/// An element with its attributes and what is in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// An empty element.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// An element that holds a text.
    pub(super) fn of(name: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::new(name) }
    }

    /// The same with an attribute.
    pub(super) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// The same with an attribute, if it has a value.
    pub(super) fn maybe(self, name: &'static str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same with an element in it.
    pub(super) fn and(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The same with what `child` is, if it is something.
    pub(super) fn and_maybe(self, child: Option<Self>) -> Self {
        match child {
            Some(child) => self.and(child),
            None => self,
        }
    }

    /// Puts an element into it.
    pub(super) fn push(&mut self, child: Self) {
        self.children.push(child);
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.children.is_empty() && self.text.is_empty()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let Self { name, attributes, text, children } = self;
        write!(f, "{:1$}<{name}", "", depth * 2)?;
        for (name, value) in attributes {
            write!(f, " {name}='{}'", escaped(value))?;
        }
        if children.is_empty() && text.is_empty() {
            return writeln!(f, "/>");
        }
        if children.is_empty() {
            return writeln!(f, ">{}</{name}>", escaped(text));
        }
        writeln!(f, ">")?;
        children.iter().try_for_each(|child| child.write(f, depth + 1))?;
        writeln!(f, "{:1$}</{name}>", "", depth * 2)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

/// Characters that mean something to XML, or that a reader would make blanks of, by their names.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => _ = write!(out, "&#{};", c as u32),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod test {
    use super::Element;

    #[test]
    fn what_is_written_can_be_read() {
        let element = Element::new("a").with("b", "it's <&>\n").and(Element::of("c", "x & y")).and(Element::new("d"));
        let expected = "<a b='it&apos;s &lt;&amp;&gt;&#10;'>\n  <c>x &amp; y</c>\n  <d/>\n</a>\n";
        assert_eq!(element.to_string(), expected);
    }
}
