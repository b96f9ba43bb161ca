//! `cpu.pinning.vcpus`: a set of host CPUs for each vCPU, or `"auto"`.

use crate::unit::CpuSet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::Pinning;

/// What `"auto"` looks like.
const PATTERN: &str = "^auto(:[1-9][0-9]*)?$";

/// Host CPUs of the vCPUs.
#[derive(Clone, Debug)]
pub(super) enum Vcpus {
    /// One set for each, in QEMU's order; none for wherever the kernel likes.
    List(Vec<CpuSet>),
    Auto(Auto),
}

/// vmrun chooses: so many vCPUs, or what one part of the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Auto(pub(super) Option<NonZeroU32>);

impl Default for Vcpus {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Vcpus {
    /// The sets; none while vmrun has not chosen yet.
    pub(super) fn list(&self) -> &[CpuSet] {
        match self {
            Self::List(sets) => sets,
            Self::Auto(_) => &[],
        }
    }
}

impl FromStr for Auto {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self(None));
        }
        if let Some(count) = text.strip_prefix("auto:").and_then(|count| count.parse().ok()) {
            return Ok(Self(Some(count)));
        }
        Err(match text.parse::<CpuSet>() {
            Ok(cpus) if !cpus.is_empty() => {
                let each: Vec<_> = cpus.iter().map(|cpu| cpu.to_string()).collect();
                let (each, whole) = (each.join(", "), vec![format!("\"{text}\""); cpus.len()].join(", "));
                format!("each vCPU has host CPUs of its own; write vcpus = [{each}], or [{whole}] for any of them")
            }
            _ => format!(
                "`{text}` is not how vCPUs are placed; write auto, auto:8 for 8 vCPUs, or a list with one entry for each"
            ),
        })
    }
}

impl JsonSchema for Vcpus {
    fn schema_name() -> Cow<'static, str> {
        "VcpuPins".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let cpus = generator.subschema_for::<CpuSet>();
        json_schema!({
            "anyOf": [{"type": "array", "items": cpus}, {"type": "string", "title": "text like \"auto:8\"", "pattern": PATTERN}],
            "examples": ["auto", "auto:8", [2, 6, 3, 7], ["4-7", "4-7"]],
        })
    }
}

impl<'de> Deserialize<'de> for Vcpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VcpusVisitor)
    }
}

struct VcpusVisitor;

impl<'de> Visitor<'de> for VcpusVisitor {
    type Value = Vcpus;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"auto\", \"auto:8\" for 8 vCPUs, or a list with an entry for each vCPU")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vcpus, E> {
        text.parse().map(Vcpus::Auto).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sets: A) -> Result<Vcpus, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(sets)).map(Vcpus::List)
    }
}

/// `pinning = "auto:8"` or `[2, 6]`, short for `vcpus` alone, or the table.
pub(in crate::profile) fn short_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pinning, D::Error> {
    deserializer.deserialize_any(PinningVisitor)
}

/// Schema of [`short_or_table`].
pub(in crate::profile) fn short_or_table_schema(generator: &mut SchemaGenerator) -> Schema {
    let table = generator.subschema_for::<Pinning>();
    let short = json!({"type": "string", "pattern": PATTERN});
    let list = json!({"type": "array", "items": generator.subschema_for::<CpuSet>()});
    json_schema!({ "anyOf": [table, short, list] })
}

struct PinningVisitor;

impl<'de> Visitor<'de> for PinningVisitor {
    type Value = Pinning;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"auto\", \"auto:8\" for 8 vCPUs, a list with an entry for each vCPU, or a table [cpu.pinning]")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Pinning, E> {
        text.parse().map(|auto| Pinning { vcpus: Vcpus::Auto(auto), ..Pinning::default() }).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sets: A) -> Result<Pinning, A::Error> {
        VcpusVisitor.visit_seq(sets).map(|vcpus| Pinning { vcpus, ..Pinning::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Pinning, A::Error> {
        Pinning::deserialize(MapAccessDeserializer::new(table))
    }
}

#[cfg(test)]
mod test {
    use super::Auto;

    #[test]
    fn a_count_is_read_and_zero_is_none() {
        assert_eq!("auto:8".parse::<Auto>().map(|Auto(count)| count.map(u32::from)), Ok(Some(8)));
        assert_eq!("auto".parse(), Ok(Auto(None)));
        assert!("auto:0".parse::<Auto>().is_err());
    }

    #[test]
    fn a_list_in_one_text_is_told_apart() {
        let told = "2-3".parse::<Auto>().unwrap_err();
        assert!(told.ends_with("write vcpus = [2, 3], or [\"2-3\", \"2-3\"] for any of them"), "{told}");
    }
}
