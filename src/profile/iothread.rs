//! `disk.iothread`: the thread that does a disk's work.

use super::disk::Disk;
use crate::plan::{Draft, Origin};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use std::borrow::Cow;
use std::fmt;

/// Which thread does a disk's work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Iothread {
    /// QEMU's main thread.
    #[default]
    Main,
    /// One of its own, named by vmrun.
    Own,
    /// The one of this id, which several disks may share.
    Shared(String),
}

/// Id of the iothread of each disk, in the order of the disks. Disks' own are `io0`, `io1`, …, without the ids that
/// the user took.
pub(super) fn of_disks(disks: &[Disk]) -> Vec<Option<String>> {
    let taken: Vec<_> = disks.iter().filter_map(|disk| disk.iothread.shared()).collect();
    let mut free = (0..).map(|i| format!("io{i}")).filter(|id| !taken.contains(&id.as_str()));
    let of = |disk: &Disk| match &disk.iothread {
        Iothread::Main => None,
        Iothread::Own => free.next(),
        Iothread::Shared(id) => Some(id.clone()),
    };
    disks.iter().map(of).collect()
}

/// Ids of all iothreads, in the order in which disks name them.
pub(super) fn ids(disks: &[Disk]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in of_disks(disks).into_iter().flatten() {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

pub(super) fn draft(disks: &[Disk], draft: &mut Draft) {
    for id in ids(disks) {
        let first = of_disks(disks).iter().position(|of| of.as_ref() == Some(&id)).unwrap_or_default();
        let origin = Origin::given(format!("disk[{first}].iothread"));
        draft.contents.argv.object(&json!({"qom-type": "iothread", "id": id}), origin);
    }
}

impl Iothread {
    fn shared(&self) -> Option<&str> {
        match self {
            Self::Shared(id) => Some(id),
            Self::Main | Self::Own => None,
        }
    }
}

impl JsonSchema for Iothread {
    fn schema_name() -> Cow<'static, str> {
        "Iothread".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_-]*$", "not": {"const": "ram0"}}],
            "examples": [true, "io0"],
        })
    }
}

impl<'de> Deserialize<'de> for Iothread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IothreadVisitor)
    }
}

struct IothreadVisitor;

impl Visitor<'_> for IothreadVisitor {
    type Value = Iothread;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or an id of letters, digits, `-` and `_` that starts with a letter")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Iothread, E> {
        Ok(if on { Iothread::Own } else { Iothread::Main })
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<Iothread, E> {
        // QEMU: id_wellformed() in util/id.c; `ram0` is the memory, another object.
        let shaped = id.starts_with(|c: char| c.is_ascii_alphabetic())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if !shaped || id == "ram0" {
            return Err(E::invalid_value(de::Unexpected::Str(id), &self));
        }
        Ok(Iothread::Shared(id.to_owned()))
    }
}
