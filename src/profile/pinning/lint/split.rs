//! Whether the vCPUs' cores are theirs alone, and alike, and near to each other.

use super::super::pool::{cpus, usable};
use super::super::shape::{domain, siblings};
use super::{AT, Look, list};
use crate::host::CoreKind;
use crate::plan::{Class, Problem};
use crate::unit::CpuSet;
use std::collections::BTreeSet;

/// Cores of which a vCPU has one thread and the host another.
pub(super) fn twins(look: &Look) -> Option<Problem> {
    let own: CpuSet = look.cpus.as_ref()?.iter().copied().collect();
    let free = usable(look.host).without(&own).without(&look.host.cpu_sets.isolated);
    let halves: CpuSet = own.iter().filter(|cpu| !siblings(look.host, *cpu).and(&free).is_empty()).collect();
    let others: CpuSet =
        halves.iter().flat_map(|cpu| siblings(look.host, cpu).and(&free).iter().collect::<Vec<_>>()).collect();
    if others.is_empty() {
        return None;
    }
    let what =
        format!("the vCPUs on host {} share cores with host {}, which the host keeps", cpus(&halves), cpus(&others));
    let problem = Problem::new(Class::Invalid, AT, what)
        .why("what runs there takes about half of the core from the vCPU, and the guest cannot see it");
    Some(look.mend(problem))
}

/// Cores of two kinds under one guest.
pub(super) fn kinds(look: &Look) -> Option<Problem> {
    let pinned: CpuSet = look.pins.iter().flat_map(CpuSet::iter).collect();
    let of = |kind| -> CpuSet {
        let cpus = look.host.cpus.iter().filter(|cpu| cpu.kind == Some(kind) && pinned.contains(cpu.id));
        cpus.map(|cpu| cpu.id).collect()
    };
    let (fast, small) = (of(CoreKind::Performance), of(CoreKind::Efficiency));
    if fast.is_empty() || small.is_empty() {
        return None;
    }
    let what = format!("the vCPUs are on P-cores, host {}, and on E-cores, host {}", cpus(&fast), cpus(&small));
    let problem = Problem::new(Class::Invalid, AT, what)
        .why("to the guest all vCPUs are alike: what it waits for is on a slow one sooner or later");
    Some(look.mend(problem))
}

/// vCPUs on several NUMA nodes of the host, of which the guest knows nothing.
pub(super) fn nodes(look: &Look) -> Option<Problem> {
    let pinned: CpuSet = look.pins.iter().flat_map(CpuSet::iter).collect();
    let of: Vec<u32> =
        look.host.nodes.iter().filter(|node| !node.cpus.and(&pinned).is_empty()).map(|node| node.id).collect();
    if of.len() < 2 || look.site.guest_nodes > 1 {
        return None;
    }
    let what = format!("the vCPUs are on host NUMA nodes {}, and the guest has one node", list(&of));
    let mut problem = Problem::new(Class::Invalid, AT, what)
        .why("its memory is far from some of them, and the guest cannot know from which");
    if let Some(choice) = look.better() {
        problem = problem.fix(look.lines(&choice));
    } else {
        let node = "[[numa]]\ncpus = \"0-3\"\nsize = \"8G\"\nhost_node = 0";
        problem = problem.fix(format!("{node}   # and so on, one for each"));
    }
    Some(problem)
}

/// vCPUs with several L3 caches where one would do, of which the guest knows nothing.
pub(super) fn caches(look: &Look) -> Option<Problem> {
    let of = |cpus: &[u32]| cpus.iter().filter_map(|cpu| domain(look.host, *cpu)).collect::<BTreeSet<_>>();
    let ours = of(look.cpus.as_ref()?);
    let better = look.better()?;
    if look.guest.dies > 1 || ours.len() <= of(&better.cpus()).len() {
        return None;
    }
    let shared: Vec<_> = ours.iter().map(|at| look.host.caches[*at].cpus.to_string()).collect();
    let what = format!("the vCPUs have {} L3 caches, those of host CPUs {}", ours.len(), shared.join(" and "));
    let problem = Problem::new(Class::Invalid, AT, what)
        .why("what one vCPU has written reaches another through memory; one cache has enough cores for all");
    Some(problem.fix(look.lines(&better)))
}
