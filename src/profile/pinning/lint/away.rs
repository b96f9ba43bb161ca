//! Whether what works for the vCPUs is near to them and not in their way.

use super::super::iothreads::Iothreads;
use super::super::pool::cpus;
use super::super::shape::siblings;
use super::{AT, Look, list, rest};
use crate::plan::{Class, Problem};
use crate::unit::CpuSet;

/// A passed card on another NUMA node than the vCPUs.
pub(super) fn card(look: &Look) -> Option<Problem> {
    let near = look.site.near.as_ref().filter(|near| near.passed)?;
    let pinned = look.pinned();
    let there = look.host.nodes.iter().find(|node| node.id == near.node)?;
    if pinned.is_empty() || !there.cpus.and(&pinned).is_empty() {
        return None;
    }
    let what = format!("the vCPUs are on host {}, far from NUMA node {}, {}", cpus(&pinned), near.node, near.what);
    let problem = Problem::new(Class::Invalid, AT, what)
        .why("each access of the card and each of its interrupts goes from one node to the other");
    Some(match look.better() {
        Some(choice) => problem.fix(look.lines(&choice)),
        None => problem.fix(format!("host {} are near", cpus(&there.cpus))),
    })
}

/// Memory on other NUMA nodes than the vCPUs; `[[numa]]` tells of its own.
pub(super) fn memory(look: &Look) -> Option<Problem> {
    let pinned = look.pinned();
    let nodes: Vec<u32> =
        look.host.nodes.iter().filter(|node| !node.cpus.and(&pinned).is_empty()).map(|node| node.id).collect();
    let wanted = &look.site.memory;
    let moved = look.site.near.as_ref().filter(|near| wanted.contains(&near.node) && card(look).is_some());
    if moved.is_some() {
        // The vCPUs are told to come to the memory, beside the card.
        return None;
    }
    if nodes.is_empty() || wanted.is_empty() || wanted.iter().any(|node| nodes.contains(node)) {
        return None;
    }
    let what = format!("its memory lies on host node {}, its vCPUs run on host node {}", list(wanted), list(&nodes));
    let problem = Problem::new(Class::Invalid, "memory.host_nodes", what);
    Some(problem.why("every access goes from one node to the other").fix(format!("host_nodes = [{}]", list(&nodes))))
}

/// QEMU's other threads on the vCPUs' cores, because the user puts them there.
pub(super) fn emulator(look: &Look) -> Option<Problem> {
    let emulator = look.pinning.emulator.as_ref()?;
    look.in_the_way("cpu.pinning.emulator", "emulator", "QEMU's other threads", emulator)
}

/// Iothreads on the vCPUs' cores.
pub(super) fn iothreads(look: &Look) -> Option<Problem> {
    let sets = look.pinning.iothreads.iter().flat_map(Iothreads::sets).collect::<Vec<_>>();
    sets.iter().find_map(|(at, set)| {
        let (key, who) = match at.strip_prefix("cpu.pinning.iothreads.") {
            Some(id) => (format!("iothreads.{id}"), format!("iothread {id}")),
            None => ("iothreads".into(), "iothreads".into()),
        };
        look.in_the_way(at, &key, &who, set)
    })
}

impl Look<'_> {
    pub(super) fn pinned(&self) -> CpuSet {
        self.pins.iter().flat_map(CpuSet::iter).collect()
    }

    fn in_the_way(&self, at: &str, key: &str, who: &str, set: &CpuSet) -> Option<Problem> {
        let pinned = self.pinned();
        let cores: CpuSet = pinned.iter().flat_map(|cpu| siblings(self.host, cpu).iter().collect::<Vec<_>>()).collect();
        let shared = set.and(&cores);
        let rest = rest(&pinned, self.host);
        if shared.is_empty() || !rest.and(&cores).is_empty() {
            return None;
        }
        let what = format!("{who} may run on host {}, on cores of vCPUs", cpus(&shared));
        let problem = Problem::new(Class::Invalid, at, what);
        let why = "a vCPU that waits for its own device's work stands still, and the guest sees a stutter";
        Some(problem.why(why).fix(format!("{key} = \"{rest}\"")))
    }
}
