//! `cpu.pinning.iothreads`: one set of host CPUs for all, or a table by id.

use crate::unit::CpuSet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Host CPUs of iothreads.
#[derive(Clone, Debug)]
pub(super) enum Iothreads {
    All(CpuSet),
    ById(BTreeMap<String, CpuSet>),
}

impl Iothreads {
    pub(super) fn of(&self, id: &str) -> Option<&CpuSet> {
        match self {
            Self::All(cpus) => Some(cpus),
            Self::ById(by_id) => by_id.get(id),
        }
    }

    /// Each set with its key path.
    pub(super) fn sets(&self) -> Vec<(String, &CpuSet)> {
        match self {
            Self::All(cpus) => vec![("cpu.pinning.iothreads".into(), cpus)],
            Self::ById(by_id) => by_id.iter().map(|(id, cpus)| (format!("cpu.pinning.iothreads.{id}"), cpus)).collect(),
        }
    }
}

impl JsonSchema for Iothreads {
    fn schema_name() -> Cow<'static, str> {
        "IothreadPins".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let cpus = generator.subschema_for::<CpuSet>();
        json_schema!({
            "anyOf": [cpus, {"type": "object", "additionalProperties": cpus}],
            "examples": ["0-1", {"io0": "0"}],
        })
    }
}

impl<'de> Deserialize<'de> for Iothreads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IothreadsVisitor)
    }
}

struct IothreadsVisitor;

impl<'de> Visitor<'de> for IothreadsVisitor {
    type Value = Iothreads;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("host CPUs for all iothreads, or a table of them by id like { io0 = \"0\" }")
    }

    fn visit_i64<E: de::Error>(self, cpu: i64) -> Result<Iothreads, E> {
        CpuSet::deserialize(cpu.into_deserializer()).map(Iothreads::All)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Iothreads, E> {
        CpuSet::deserialize(text.into_deserializer()).map(Iothreads::All)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, cpus: A) -> Result<Iothreads, A::Error> {
        CpuSet::deserialize(SeqAccessDeserializer::new(cpus)).map(Iothreads::All)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Iothreads, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(table)).map(Iothreads::ById)
    }
}
