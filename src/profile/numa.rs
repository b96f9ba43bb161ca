//! `[[numa]]`: the guest's NUMA nodes.

use super::cpu::Cpu;
use super::memory::{Part, Policy, bind, id, lone_node};
use super::scene::Scene;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::{CpuSet, Size};
use schemars::JsonSchema;
use serde::Deserialize;

/// A NUMA node of the guest; QEMU's `-numa node` with a memory backend of its own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Numa {
    /// Its vCPUs, as a list like `"0-3"`; every vCPU belongs to one node. None unless given. QEMU: `cpus`.
    cpus: Option<CpuSet>,
    /// Its memory, with a unit of 1024. QEMU: `memdev`.
    size: Size,
    /// NUMA node of the host that its memory lies on; the one that its vCPUs are pinned to unless given. QEMU:
    /// `host-nodes`.
    host_node: Option<u32>,
    /// How strictly its memory keeps to that node; `"bind"` unless given. QEMU: `policy`.
    policy: Option<Policy>,
    /// Distance to each of the guest's nodes in order, itself 10; the guest takes 20 to all others unless given. QEMU:
    /// `-numa dist`.
    distances: Option<Vec<u8>>,
}

/// Distance of a node to itself; ACPI specification, SLIT.
const LOCAL: u8 = 10;

/// Memory of all nodes together; `None` without nodes.
pub(super) fn sum(nodes: &[Numa]) -> Option<Size> {
    let bytes = nodes.iter().map(|node| node.size.bytes()).fold(0, u64::saturating_add);
    (!nodes.is_empty()).then_some(Size::from_bytes(bytes))
}

/// Drafts the nodes and their distances; returns the memory of each, in order.
pub(super) fn draft(nodes: &[Numa], cpu: &Cpu, scene: &Scene, draft: &mut Draft) -> Vec<Part> {
    judge_cpus(nodes, cpu.vcpus(), draft);
    let parts = nodes.iter().enumerate().map(|(i, node)| node.draft(i, cpu, scene, draft)).collect();
    draft_distances(nodes, draft);
    parts
}

impl Numa {
    fn draft(&self, i: usize, cpu: &Cpu, scene: &Scene, draft: &mut Draft) -> Part {
        let Self { cpus, size, host_node, policy, distances: _ } = self;
        let key = format!("numa[{i}]");
        // The same key several times, once for each range: what QEMU takes for a set with gaps.
        let ranges = cpus.as_ref().map(ToString::to_string).unwrap_or_default();
        let ranges = ranges.split(',').filter(|range| !range.is_empty()).map(|range| format!(",cpus={range}"));
        let node = format!("node,nodeid={i}{},memdev={}", ranges.collect::<String>(), id(i));
        draft.contents.argv.setting("-numa", node, Origin::given(key.clone()));

        let pinned = cpus.as_ref().map(|cpus| cpu.pinned_of(cpus)).unwrap_or_default();
        let given: Vec<u32> = host_node.iter().copied().collect();
        let (node_at, policy_at) = (format!("{key}.host_node"), format!("{key}.policy"));
        if let (Some(given), Some(pinned)) = (host_node, lone_node(&pinned, scene.host))
            && *given != pinned
        {
            let what = format!("its memory lies on host node {given}, its vCPUs run on host node {pinned}");
            let problem = Problem::new(Class::Invalid, node_at.clone(), what);
            draft
                .warn(problem.why("every access goes from one node to the other").fix(format!("host_node = {pinned}")));
        }
        let bind = bind((&given, &node_at), (*policy, &policy_at), &pinned, scene, draft);
        Part { at: format!("{key}.size"), size: *size, bind }
    }
}

/// Every vCPU belongs to exactly one node.
fn judge_cpus(nodes: &[Numa], vcpus: u32, draft: &mut Draft) {
    let mut left: CpuSet = (0..vcpus).collect();
    for (i, node) in nodes.iter().enumerate() {
        let Some(cpus) = &node.cpus else { continue };
        let at = format!("numa[{i}].cpus");
        let beyond: CpuSet = cpus.iter().filter(|cpu| *cpu >= vcpus).collect();
        let twice: CpuSet = cpus.without(&left).without(&beyond);
        if !beyond.is_empty() {
            let what = format!("the guest has no vCPU {beyond}; its {vcpus} are numbered from 0");
            draft.refuse(Problem::new(Class::Invalid, at.clone(), what));
        }
        if !twice.is_empty() {
            let what = format!("vCPU {twice} is in an earlier node already");
            draft.refuse(Problem::new(Class::Invalid, at, what).why("every vCPU belongs to one node"));
        }
        left = left.without(cpus);
    }
    if !left.is_empty() {
        let what = format!("vCPU {left} is in no node");
        let last = nodes.len().saturating_sub(1);
        draft.refuse(
            Problem::new(Class::Invalid, format!("numa[{last}].cpus"), what)
                .why("every vCPU belongs to one node")
                .fix(format!("add \"{left}\" to the cpus of a node")),
        );
    }
}

fn draft_distances(nodes: &[Numa], draft: &mut Draft) {
    if nodes.iter().all(|node| node.distances.is_none()) || !judge_distances(nodes, draft) {
        return;
    }
    for (src, node) in nodes.iter().enumerate() {
        for (dst, val) in node.distances.iter().flatten().enumerate().filter(|(dst, _)| *dst != src) {
            let dist = format!("dist,src={src},dst={dst},val={val}");
            draft.contents.argv.setting("-numa", dist, Origin::given(format!("numa[{src}].distances")));
        }
    }
}

/// Whether two nodes that both give distances tell different ones of each other.
fn asymmetric(nodes: &[Numa]) -> bool {
    let of = |i: usize, j: usize| nodes[i].distances.as_ref().and_then(|row| row.get(j));
    let pairs = (0..nodes.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs.into_iter().any(|(i, j)| of(i, j).zip(of(j, i)).is_some_and(|(there, back)| there != back))
}

/// What QEMU (`hw/core/numa.c`) and a Linux guest (`slit_valid`, `arch/x86/mm/srat.c`) demand of distances, told before
/// they are started.
fn judge_distances(nodes: &[Numa], draft: &mut Draft) -> bool {
    let asymmetric = asymmetric(nodes);
    let mut good = true;
    let mut refuse = |i: usize, what: String, fix: String| {
        good = false;
        draft.refuse(Problem::new(Class::Invalid, format!("numa[{i}].distances"), what).fix(fix));
    };
    for (i, node) in nodes.iter().enumerate() {
        let row = |self_at: usize| {
            let row = (0..nodes.len()).map(|j| if j == self_at { "10" } else { "20" });
            format!("distances = [{}]", row.collect::<Vec<_>>().join(", "))
        };
        let Some(distances) = &node.distances else {
            // QEMU takes a distance for both directions when no pair of nodes has two.
            if asymmetric || (0..nodes.len()).any(|j| j != i && nodes[j].distances.is_none()) {
                refuse(i, "its distances are left open, and no other node tells them".into(), row(i));
            }
            continue;
        };
        if distances.len() != nodes.len() {
            let what = format!("{} distances for {} nodes", distances.len(), nodes.len());
            refuse(i, what, row(i));
        } else if distances[i] != LOCAL {
            refuse(i, format!("the distance of a node to itself is {LOCAL}, not {}", distances[i]), row(i));
        } else if let Some(near) = distances.iter().enumerate().find(|(j, far)| *j != i && **far <= LOCAL) {
            refuse(
                i,
                format!("a distance of {} to node {} is not more than that to itself, {LOCAL}", near.1, near.0),
                row(i),
            );
        }
    }
    good
}
