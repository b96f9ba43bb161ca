//! `disk.iothread`: the thread that does a disk's work.

use super::disk::Disk;
use super::switch::switch_or_word;
use crate::plan::{Draft, Origin};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use std::borrow::Cow;

/// Which thread does a disk's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Iothread {
    /// QEMU's main thread.
    Main,
    /// One of its own, named by vmrun.
    Own,
    /// The one of this id, which several disks may share.
    Shared(String),
}

/// Id of an iothread: letters, digits, `-` and `_`, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[A-Za-z][A-Za-z0-9_-]*$", "examples" = ["io0"]))]
pub(super) struct IothreadId(String);

impl IothreadId {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IothreadId {
    type Error = String;

    fn try_from(id: String) -> Result<Self, String> {
        if is_id(&id) {
            return Ok(Self(id));
        }
        Err(format!(
            "`{}` is not the id of an iothread; write letters, digits, `-` and `_`, a letter first",
            id.escape_debug()
        ))
    }
}

/// QEMU: `id_wellformed()` in `util/id.c`.
fn is_id(id: &str) -> bool {
    let shaped = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    id.starts_with(|c: char| c.is_ascii_alphabetic()) && id.bytes().all(shaped)
}

/// Whether vmrun gives `id` to another object: memory and what fills it, input devices, limits of disks, and single ones.
pub(super) fn is_own(id: &str) -> bool {
    const SINGLE: [&str; 4] = ["rng0", "looking-glass", "display-password", "iommufd0"];
    const NUMBERED: [(&str, &str); 4] = [("ram", ""), ("tc", ""), ("input", ""), ("disk", "-limits")];
    let between = |(start, end): &(&str, &str)| id.strip_prefix(start)?.strip_suffix(end);
    let numbers = NUMBERED.iter().filter_map(between);
    SINGLE.contains(&id) || numbers.into_iter().any(|number| number.parse::<usize>().is_ok())
}

/// Id of the iothread of the disks that name none; libvirt's name for its first.
const USUAL: &str = "iothread1";

/// Id of the iothread of each disk, in the order of the disks. Disks' own are `io0`, `io1`, …, without the ids that
/// the user took.
pub(super) fn of_disks(disks: &[Disk]) -> Vec<Option<String>> {
    let taken: Vec<_> = disks.iter().flat_map(named).collect();
    let mut free = (0..).map(|i| format!("io{i}")).filter(|id| !taken.contains(&id.as_str()));
    let mut of = |disk: &Disk| match disk.iothread.as_ref()? {
        Iothread::Main => None,
        Iothread::Own => free.next(),
        Iothread::Shared(id) => Some(id.clone()),
    };
    disks.iter().map(|disk| of(disk).or_else(|| disk.shares_iothread().then(|| USUAL.to_owned()))).collect()
}

/// Ids that the user gave at `disk`.
fn named(disk: &Disk) -> impl Iterator<Item = &str> {
    disk.iothread
        .as_ref()
        .and_then(Iothread::shared)
        .into_iter()
        .chain(disk.iothread_queues.iter().map(IothreadId::as_str))
}

/// Ids of all iothreads, in the order in which disks name them.
pub(super) fn ids(disks: &[Disk]) -> Vec<String> {
    with_origins(disks).into_iter().map(|(id, _)| id).collect()
}

/// Ids of all iothreads, each with what names it first.
fn with_origins(disks: &[Disk]) -> Vec<(String, Origin)> {
    let mut ids: Vec<(String, Origin)> = Vec::new();
    for (i, (disk, own)) in disks.iter().zip(of_disks(disks)).enumerate() {
        let origin = match disk.iothread {
            Some(_) => Origin::given(format!("disk[{i}].iothread")),
            None => Origin::derived(format!("disk[{i}].iothread"), SHARED),
        };
        let own = own.map(|id| (id, origin));
        let queues = disk.iothread_queues.iter();
        let queues = queues.map(|id| (id.as_str().to_owned(), Origin::given(format!("disk[{i}].iothread_queues"))));
        for (id, origin) in own.into_iter().chain(queues) {
            if !ids.iter().any(|(known, _)| *known == id) {
                ids.push((id, origin));
            }
        }
    }
    ids
}

const SHARED: &str = "a request to a disk waits for nothing else that QEMU's main thread does";

pub(super) fn draft(disks: &[Disk], draft: &mut Draft) {
    for (id, origin) in with_origins(disks) {
        draft.contents.argv.object(&json!({"qom-type": "iothread", "id": id}), origin);
    }
}

impl Iothread {
    /// The id of one that disks share.
    pub(super) fn shared(&self) -> Option<&str> {
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
            "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_-]*$"}],
            "examples": [true, "io0"],
        })
    }
}

impl<'de> Deserialize<'de> for Iothread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let switch = |on| if on { Self::Own } else { Self::Main };
        let word = |id: &str| is_id(id).then(|| Self::Shared(id.to_owned()));
        let expected = "true, false, or an id of letters, digits, `-` and `_` that starts with a letter";
        switch_or_word(deserializer, expected, switch, word)
    }
}
