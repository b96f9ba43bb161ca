//! Many names that are read at each start and asked for a few times.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// A set of names without spaces.
///
/// They stay one text, in order: a QEMU has more than a thousand, and to make a string of each took half of the time that
/// vmrun needs for a plan. In JSON they are that text; the list of older dumps is read too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(String);

impl Names {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `name` is one of them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        let mut rest = self.0.as_bytes();
        while !rest.is_empty() {
            let half = rest.len() / 2;
            let start = rest[..half].iter().rposition(|byte| *byte == b' ').map_or(0, |space| space + 1);
            let end = rest[half..].iter().position(|byte| *byte == b' ').map_or(rest.len(), |space| half + space);
            match rest[start..end].cmp(name.as_bytes()) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => rest = &rest[..start.saturating_sub(1)],
                std::cmp::Ordering::Less => rest = rest.get(end + 1..).unwrap_or_default(),
            }
        }
        false
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }
}

impl<T: Into<String>> FromIterator<T> for Names {
    /// A name with a space would be two, and is left out; QEMU has none.
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let names =
            names.into_iter().map(Into::into).filter(|name| !name.is_empty() && !name.contains(char::is_whitespace));
        let sorted: BTreeSet<String> = names.collect();
        Self(Vec::from_iter(sorted).join(" "))
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrList)
    }
}

struct TextOrList;

impl<'de> Visitor<'de> for TextOrList {
    type Value = Names;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("names in alphabetical order with a space between, or a list of names")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Names, E> {
        // A search in a text that somebody put together by hand would miss what is there.
        if text.is_empty() || text.as_bytes().split(|byte| *byte == b' ').is_sorted_by(|a, b| !a.is_empty() && a < b) {
            return Ok(Names(text.to_owned()));
        }
        Ok(text.split_ascii_whitespace().collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = list.next_element::<String>()? {
            names.insert(name);
        }
        Ok(names.into_iter().collect())
    }
}

#[cfg(test)]
mod test {
    use super::Names;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn text_and_list_are_the_same_names() {
        let list: Names = serde_json::from_str(r#"["usb-host", "qxl", "e1000"]"#).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["e1000", "qxl", "usb-host"]);
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(text, r#""e1000 qxl usb-host""#);
        assert_eq!(serde_json::from_str::<Names>(&text).unwrap(), list);
        assert_eq!(serde_json::from_str::<Names>(r#""usb-host  e1000 qxl ""#).unwrap(), list);
        assert_eq!(serde_json::from_str::<Names>(r#""""#).unwrap(), Names::default());
        serde_json::from_str::<Names>("[1]").unwrap_err();
    }

    proptest! {
        #[test]
        fn what_is_in_it_is_found_and_nothing_else(names: BTreeSet<String>, other: String) {
            let words = |name: &String| !name.is_empty() && !name.contains(char::is_whitespace);
            let names: BTreeSet<String> = names.into_iter().filter(words).collect();
            let packed: Names = names.iter().cloned().collect();
            prop_assert!(names.iter().all(|name| packed.contains(name)));
            prop_assert_eq!(packed.contains(&other), names.contains(&other));
            prop_assert!(packed.iter().eq(names.iter()));
        }
    }
}
