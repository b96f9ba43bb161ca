//! The cores that vmrun may choose from, and why not others.

use super::shape::{domain, siblings};
use super::site::Near;
use crate::host::{CoreKind, Cpu, Host, Neighbour, Node};
use crate::unit::{CpuSet, Size};
use std::cmp::Reverse;

/// What is asked of the host.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// Number of vCPUs; what one L3 cache has, unless given.
    pub(super) vcpus: Option<u32>,
    /// Number of cores, instead.
    pub(super) cores: Option<u32>,
    /// Threads of each of the guest's cores; those of the host's unless given.
    pub(super) threads: Option<u32>,
    /// Host CPUs that the user puts other threads of QEMU on.
    pub(super) taken: CpuSet,
    /// Where the other threads of QEMU are, if the user says so.
    pub(super) emulator: Option<CpuSet>,
    pub(super) near: Option<Near>,
}

/// Whole cores of one NUMA node that a guest may have.
pub(super) struct Pool {
    /// By L3 cache, the best first.
    pub(super) domains: Vec<Domain>,
    /// Sibling threads of a core.
    pub(super) threads: u32,
    /// Why other CPUs of the node are not in it, each as a sentence.
    pub(super) left_out: Vec<String>,
}

/// Cores that share an L3 cache.
pub(super) struct Domain {
    /// Size of the cache; `None` when the host does not tell of it.
    pub(super) size: Option<Size>,
    /// CPUs that share it, those of other guests and of the host included.
    pub(super) cpus: CpuSet,
    /// Its cores in the pool, each the list of its CPUs.
    pub(super) cores: Vec<Vec<u32>>,
}

impl Pool {
    /// The pool of `node` for a guest whose cores have `threads` threads, those of the host unless given.
    pub(super) fn of(ask: &Ask, node: &Node, host: &Host) -> Self {
        let mut left_out = Vec::new();
        let first = siblings(host, host.cpus.first().map_or(0, |cpu| cpu.id));
        if !first.and(&node.cpus).is_empty() {
            left_out.push(format!("the host's, as its first core: {}", cpus(&first)));
        }
        let closed = host.online().and(&node.cpus).without(&usable(host));
        if !closed.is_empty() {
            left_out.push(format!("not open to vmrun, by its control group or mask: {}", cpus(&closed)));
        }
        let in_use = ask.taken.and(&node.cpus);
        if !in_use.is_empty() {
            left_out.push(format!("given to QEMU's other threads: {}", cpus(&in_use)));
        }
        let mut barred = first.union(&closed).union(&in_use);
        for Neighbour { name, cpus: theirs, .. } in &host.neighbours {
            let there = theirs.and(&node.cpus);
            if !there.is_empty() {
                left_out.push(format!("those of the guest {name}, which runs: {}", cpus(&there)));
                barred = barred.union(&there);
            }
        }
        let whole = |cpu: &&Cpu| cpu.siblings.iter().next() == Some(cpu.id) && cpu.siblings.and(&barred).is_empty();
        let mut cores: Vec<&Cpu> = host.cpus.iter().filter(|cpu| node.cpus.contains(cpu.id)).filter(whole).collect();
        keep_isolated(&mut cores, host, &mut left_out);
        keep_kind(&mut cores, &mut left_out);
        let most = cores.iter().map(|core| core.siblings.len()).max().unwrap_or(1);
        let threads = ask.threads.map_or(most, |threads| threads as usize);
        keep_threads(&mut cores, threads, &mut left_out);
        leave_one(&mut cores, ask, node, host, &mut left_out);
        let threads = u32::try_from(most).unwrap_or(1);
        Self { domains: domains(&cores, &first, host), threads, left_out }
    }

    /// Number of its cores.
    pub(super) fn len(&self) -> usize {
        self.domains.iter().map(|domain| domain.cores.len()).sum()
    }
}

/// The host CPUs that this process may use; all that are online in facts that do not tell.
pub(super) fn usable(host: &Host) -> CpuSet {
    let allowed = &host.cpu_sets.allowed;
    if allowed.is_empty() { host.online() } else { host.online().and(allowed) }
}

/// `CPU 3` or `CPUs 3-5`.
pub(super) fn cpus(set: &CpuSet) -> String {
    format!("CPU{} {set}", if set.len() == 1 { "" } else { "s" })
}

fn set_of(cores: &[&Cpu]) -> CpuSet {
    cores.iter().flat_map(|core| core.siblings.iter()).collect()
}

/// Who isolates CPUs at boot does so for guests: with such cores in the node, no others.
fn keep_isolated(cores: &mut Vec<&Cpu>, host: &Host, left_out: &mut Vec<String>) {
    let isolated = &host.cpu_sets.isolated;
    let inside = |core: &&Cpu| core.siblings.without(isolated).is_empty();
    if cores.iter().any(inside) {
        cores.retain(inside);
        left_out.push(format!("kept for guests by isolcpus, and so the only ones: {}", cpus(&set_of(cores))));
    } else {
        cores.retain(|core| core.siblings.and(isolated).is_empty());
    }
}

/// A guest cannot tell cores of two kinds apart, and would put its work on the slow ones too.
fn keep_kind(cores: &mut Vec<&Cpu>, left_out: &mut Vec<String>) {
    let is = |core: &&Cpu, kind| core.kind == Some(kind);
    let small: Vec<_> = cores.iter().copied().filter(|core| is(core, CoreKind::Efficiency)).collect();
    if small.is_empty() || small.len() == cores.len() {
        return;
    }
    left_out.push(format!("E-cores, which do not mix with P-cores: {}", cpus(&set_of(&small))));
    cores.retain(|core| !is(core, CoreKind::Efficiency));
}

/// A core with a sibling switched off has too few.
fn keep_threads(cores: &mut Vec<&Cpu>, threads: usize, left_out: &mut Vec<String>) {
    let few: Vec<_> = cores.iter().copied().filter(|core| core.siblings.len() < threads).collect();
    if !few.is_empty() && few.len() < cores.len() {
        left_out.push(format!("without a sibling thread that is online: {}", cpus(&set_of(&few))));
        cores.retain(|core| core.siblings.len() >= threads);
    }
}

/// QEMU's other threads need a CPU that no vCPU has, on the same node.
fn leave_one(cores: &mut Vec<&Cpu>, ask: &Ask, node: &Node, host: &Host, left_out: &mut Vec<String>) {
    let isolated = &host.cpu_sets.isolated;
    let rest = usable(host).and(&node.cpus).without(isolated).without(&set_of(cores));
    let kept_apart = cores.first().is_some_and(|core| !core.siblings.and(isolated).is_empty());
    if ask.emulator.is_none() && rest.is_empty() && !kept_apart && !cores.is_empty() {
        let core = cores.remove(0);
        left_out.push(format!("left for QEMU's other threads: {}", cpus(&core.siblings)));
    }
}

/// `cores` by the L3 cache that they share: the largest cache first, then those away from CPU 0.
fn domains(cores: &[&Cpu], first: &CpuSet, host: &Host) -> Vec<Domain> {
    let mut domains: Vec<(Option<usize>, Domain)> = Vec::new();
    for core in cores {
        let at = domain(host, core.id);
        let list: Vec<u32> = core.siblings.iter().collect();
        if let Some((_, known)) = domains.iter_mut().find(|(known, _)| *known == at) {
            known.cores.push(list);
            continue;
        }
        let cache = at.map(|at| &host.caches[at]);
        let cpus = cache.map(|cache| cache.cpus.clone()).unwrap_or_default();
        domains.push((at, Domain { size: cache.map(|cache| cache.size), cpus, cores: vec![list] }));
    }
    let mut domains: Vec<_> = domains.into_iter().map(|(_, domain)| domain).collect();
    domains.sort_by_key(|domain| {
        (Reverse(domain.size), !domain.cpus.and(first).is_empty(), Reverse(domain.cores.len()), domain.cores[0][0])
    });
    domains
}
