//! `memory.hugepages`: from which pages guest memory is made.

use crate::profile::switch::switch_or_word;
use crate::unit::Size;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// Pages of 2 MiB, which every x86-64 CPU has.
pub(super) const PAGE_2M: Size = Size::from_bytes(2 << 20);
/// Pages of 1 GiB, which a CPU with `pdpe1gb` has.
pub(super) const PAGE_1G: Size = Size::from_bytes(1 << 30);

/// `true`, `false`, `"2M"`, `"1G"`, `"auto"` or `"thp"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hugepages {
    /// Pages of 4 KiB.
    #[default]
    Off,
    /// Transparent huge pages: the kernel takes huge ones where it has them.
    Thp,
    /// The largest that the host can give.
    Auto,
    /// Of a pool of pages of this size.
    Pool(Size),
}

impl JsonSchema for Hugepages {
    fn schema_name() -> Cow<'static, str> {
        "Hugepages".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "true, false, \"2M\", \"1G\", \"auto\" or \"thp\"",
            "anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["2M", "2MiB", "1G", "1GiB", "auto", "thp"]}],
            "examples": [true, "1G", "auto"],
        })
    }
}

impl<'de> Deserialize<'de> for Hugepages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let switch = |on| if on { Self::Pool(PAGE_2M) } else { Self::Off };
        let word = |text: &str| match (text, text.parse()) {
            ("auto", _) => Some(Self::Auto),
            ("thp", _) => Some(Self::Thp),
            (_, Ok(size @ (PAGE_2M | PAGE_1G))) => Some(Self::Pool(size)),
            _ => None,
        };
        let expected = "true, false, \"2M\", \"1G\", \"auto\" or \"thp\"";
        switch_or_word(deserializer, expected, switch, word)
    }
}
