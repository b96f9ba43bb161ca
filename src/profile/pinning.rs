//! `[cpu.pinning]`: which thread of QEMU runs on which host CPUs.

use super::pinning_lint;
use super::scene::Scene;
use crate::plan::{Class, Draft, Placement, Problem, Sched};
use crate::unit::CpuSet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Which thread of QEMU runs on which host CPUs; everything is where the kernel likes it unless given.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pinning {
    /// Host CPUs of each vCPU, in QEMU's order: threads of a core first, then cores, dies, sockets.
    #[serde(default)]
    vcpus: Vec<CpuSet>,
    /// Host CPUs of every other thread of QEMU. Those without a vCPU unless given, if vCPUs are pinned.
    emulator: Option<CpuSet>,
    /// Host CPUs of the iothreads: one set for all, or a table by id.
    iothreads: Option<Iothreads>,
    /// Scheduling class of vCPUs and iothreads. With `fifo`, a busy vCPU shuts the host out of its CPU.
    #[schemars(extend("default" = "normal"))]
    sched: Option<SchedClass>,
    /// Priority of vCPUs and iothreads against other programs, from -20, the most favoured, to 19.
    nice: Option<Nice>,
}

/// `normal`, or `fifo:1` to `fifo:99`; sched(7).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^(normal|fifo:[1-9][0-9]?)$", "examples" = ["fifo:1", "normal"]))]
struct SchedClass(Sched);

impl TryFrom<String> for SchedClass {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "normal" {
            return Ok(Self(Sched::Normal));
        }
        let priority = text.strip_prefix("fifo:").and_then(|priority| priority.parse().ok());
        match priority.filter(|priority| (1..=99).contains(priority)) {
            Some(priority) => Ok(Self(Sched::Fifo(priority))),
            None => Err(format!("`{text}` is not a scheduling class; write normal, or fifo:1 to fifo:99")),
        }
    }
}

/// A nice value; sched(7).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "i64")]
#[schemars(with = "i64", extend("minimum" = -20, "maximum" = 19, "examples" = [-10]))]
struct Nice(i8);

impl TryFrom<i64> for Nice {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        i8::try_from(value)
            .ok()
            .filter(|nice| (-20..=19).contains(nice))
            .map(Self)
            .ok_or_else(|| format!("{value} is not a nice value; they go from -20, the most favoured, to 19"))
    }
}

/// Host CPUs of iothreads.
#[derive(Clone, Debug)]
enum Iothreads {
    All(CpuSet),
    ById(BTreeMap<String, CpuSet>),
}

impl Pinning {
    /// A pinning made by vmrun itself.
    pub(super) fn of(vcpus: Vec<CpuSet>, emulator: Option<CpuSet>) -> Self {
        Self { vcpus, emulator, ..Self::default() }
    }

    /// The same without pins of iothreads.
    pub(super) fn without_iothreads(self) -> Self {
        Self { iothreads: None, ..self }
    }

    /// Host CPUs that vCPUs are pinned to.
    pub(super) fn pinned(&self) -> CpuSet {
        self.vcpus.iter().flat_map(CpuSet::iter).collect()
    }

    /// Host CPUs that the vCPUs in `vcpus` are pinned to.
    pub(super) fn pinned_of(&self, vcpus: &CpuSet) -> CpuSet {
        let those = (0..).zip(&self.vcpus).filter(|(vcpu, _)| vcpus.contains(*vcpu));
        those.flat_map(|(_, cpus)| cpus.iter()).collect()
    }

    /// Drafts the places of `vcpus` vCPUs with `threads` to a core, of `iothreads` by id, and of the rest.
    pub(super) fn draft(&self, vcpus: u32, threads: u32, iothreads: &[String], scene: &Scene, draft: &mut Draft) {
        let Self { vcpus: pins, emulator, iothreads: iothread_pins, sched: _, nice: _ } = self;
        let sched = self.sched(draft);
        self.judge(vcpus, iothreads, scene, draft);
        let place = |cpus: Option<&CpuSet>| Placement { cpus: cpus.cloned(), sched };
        if !pins.is_empty() {
            draft.contents.pins.vcpus = pins.iter().map(|cpus| place(Some(cpus))).collect();
        } else if sched != Sched::Normal {
            draft.contents.pins.vcpus = (0..vcpus).map(|_| place(None)).collect();
        }
        for id in iothreads {
            let cpus = iothread_pins.as_ref().and_then(|pins| pins.of(id));
            if cpus.is_some() || sched != Sched::Normal {
                draft.contents.pins.iothreads.insert(id.clone(), place(cpus));
            }
        }
        draft.contents.pins.emulator = emulator.clone().or_else(|| self.rest(scene));
        if let Some(warning) = pinning_lint::lint(pins, threads, scene.host) {
            draft.warn(warning);
        }
    }

    fn sched(&self, draft: &mut Draft) -> Sched {
        match (self.sched, self.nice) {
            (Some(SchedClass(Sched::Fifo(_))), Some(_)) => {
                let at = "cpu.pinning.nice";
                draft.refuse(
                    Problem::new(Class::Invalid, at, "a real-time thread has no nice value")
                        .fix("leave out nice or sched"),
                );
                Sched::Normal
            }
            (_, Some(Nice(nice))) => Sched::Nice(nice),
            (Some(SchedClass(sched)), None) => sched,
            (None, None) => Sched::Normal,
        }
    }

    /// Where threads go that are no vCPU, when vCPUs are pinned and nothing is said of the others.
    fn rest(&self, scene: &Scene) -> Option<CpuSet> {
        if self.vcpus.is_empty() {
            return None;
        }
        let online = scene.host.online();
        let rest = online.without(&self.pinned());
        Some(if rest.is_empty() { online } else { rest }).filter(|cpus| !cpus.is_empty())
    }

    fn judge(&self, vcpus: u32, iothreads: &[String], scene: &Scene, draft: &mut Draft) {
        let Self { vcpus: pins, emulator, iothreads: iothread_pins, sched: _, nice: _ } = self;
        if !pins.is_empty() && u32::try_from(pins.len()) != Ok(vcpus) {
            let what = format!("{} pins for {vcpus} vCPUs", pins.len());
            draft.refuse(
                Problem::new(Class::Invalid, "cpu.pinning.vcpus", what)
                    .why("sockets × dies × modules × cores × threads is the number of vCPUs, and each has one pin"),
            );
        }
        for (i, cpus) in pins.iter().enumerate() {
            judge_set(cpus, &format!("cpu.pinning.vcpus[{i}]"), scene, draft);
        }
        judge_twice(pins, draft);
        if let Some(cpus) = emulator {
            judge_set(cpus, "cpu.pinning.emulator", scene, draft);
        }
        match iothread_pins {
            None => {}
            Some(Iothreads::All(cpus)) => judge_set(cpus, "cpu.pinning.iothreads", scene, draft),
            Some(Iothreads::ById(by_id)) => {
                for (id, cpus) in by_id {
                    judge_set(cpus, &format!("cpu.pinning.iothreads.{id}"), scene, draft);
                    judge_id(id, iothreads, draft);
                }
            }
        }
    }
}

fn judge_set(cpus: &CpuSet, at: &str, scene: &Scene, draft: &mut Draft) {
    if cpus.is_empty() {
        draft.refuse(Problem::new(Class::Invalid, at, "the set of host CPUs is empty"));
    }
    let online = scene.host.online();
    let off = cpus.without(&online);
    if !off.is_empty() {
        let (is, them) = if off.len() == 1 { ("CPU", "is") } else { ("CPUs", "are") };
        draft.refuse(
            Problem::new(Class::Impossible, at, format!("host {is} {off} {them} not online"))
                .why(format!("this host has {online}")),
        );
    }
}

fn judge_twice(pins: &[CpuSet], draft: &mut Draft) {
    for (i, cpus) in pins.iter().enumerate().filter(|(_, cpus)| cpus.len() == 1) {
        if let Some(first) = pins[..i].iter().position(|earlier| earlier == cpus) {
            draft.refuse(
                Problem::new(
                    Class::Invalid,
                    format!("cpu.pinning.vcpus[{i}]"),
                    format!("host CPU {cpus} is pinned twice, by vCPU {first} and vCPU {i}"),
                )
                .why("two vCPUs on one host CPU wait for each other")
                .fix("give each vCPU a host CPU of its own, or several vCPUs the same set of CPUs"),
            );
        }
    }
}

fn judge_id(id: &str, iothreads: &[String], draft: &mut Draft) {
    if iothreads.iter().any(|known| known == id) {
        return;
    }
    let why = match iothreads {
        [] => "no disk has an iothread".to_owned(),
        ids => format!("the disks have {}", ids.join(", ")),
    };
    draft.refuse(
        Problem::new(Class::Invalid, format!("cpu.pinning.iothreads.{id}"), format!("there is no iothread {id}"))
            .why(why)
            .fix(format!("[[disk]]\niothread = \"{id}\"")),
    );
}

impl Iothreads {
    fn of(&self, id: &str) -> Option<&CpuSet> {
        match self {
            Self::All(cpus) => Some(cpus),
            Self::ById(by_id) => by_id.get(id),
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
