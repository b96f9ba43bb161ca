//! The cores that a guest gets when the choice is vmrun's.

use super::pool::{Ask, Domain, Pool, cpus, usable};
use super::shape::Shape;
use crate::host::{Host, Node};
use crate::plan::{Class, Problem};
use crate::unit::CpuSet;

/// Cores for the vCPUs, and host CPUs for QEMU's other threads.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The CPUs of each core that a vCPU is on.
    cores: Vec<Vec<u32>>,
    pub(super) shape: Shape,
    pub(super) emulator: CpuSet,
    /// Why these, each as a sentence.
    pub(super) why: Vec<String>,
}

/// Why there is no choice.
struct Shortage {
    /// Cores that there would have been.
    cores: usize,
    problem: Problem,
}

pub(super) const AT: &str = "cpu.pinning.vcpus";

impl Choice {
    /// The best cores of `host` for `ask`.
    ///
    /// # Errors
    /// When no NUMA node, or not the one that the guest should be near to, has enough.
    pub(super) fn of(ask: &Ask, host: &Host) -> Result<Self, Problem> {
        let near = |node: &&Node| ask.near.as_ref().is_none_or(|near| near.node == node.id);
        let mut best: Option<Self> = None;
        let mut least: Option<Shortage> = None;
        // Without a reason for one, the node that the host's own work starts on comes last.
        for node in host.nodes.iter().filter(near).rev() {
            match in_node(ask, node, host) {
                Ok(choice) if best.as_ref().is_none_or(|best| choice.cores.len() > best.cores.len()) => {
                    best = Some(choice);
                }
                Err(shortage) if least.as_ref().is_none_or(|least| shortage.cores > least.cores) => {
                    least = Some(shortage);
                }
                Ok(_) | Err(_) => {}
            }
        }
        let nothing = || Problem::new(Class::Impossible, AT, "the host tells of no NUMA node with CPUs");
        best.ok_or_else(|| least.map_or_else(nothing, |shortage| shortage.problem))
    }

    /// A pin for each vCPU.
    pub(super) fn pins(&self) -> Vec<CpuSet> {
        self.cpus().into_iter().map(CpuSet::of).collect()
    }

    /// The host CPU of each vCPU.
    pub(super) fn cpus(&self) -> Vec<u32> {
        self.cores.iter().flat_map(|core| core.iter().copied().take(self.shape.threads as usize)).collect()
    }
}

fn in_node(ask: &Ask, node: &Node, host: &Host) -> Result<Choice, Shortage> {
    let pool = Pool::of(ask, node, host);
    let threads = ask.threads.unwrap_or(pool.threads);
    let shortage = |problem: Problem| Shortage { cores: pool.len(), problem };
    if threads > pool.threads && pool.len() > 0 {
        return Err(shortage(too_few_threads(threads, pool.threads)));
    }
    let wanted = match (ask.cores, ask.vcpus) {
        (Some(cores), _) => cores as usize,
        (None, Some(vcpus)) if vcpus.is_multiple_of(threads) => (vcpus / threads) as usize,
        (None, Some(vcpus)) => return Err(shortage(half_core(vcpus, threads))),
        (None, None) => pool.domains.first().map_or(1, |domain| domain.cores.len()),
    };
    let Some(mut parts) = deal(&pool.domains, wanted) else {
        return Err(shortage(too_few_cores(ask, node, &pool, wanted, threads)));
    };
    // The last ones: the first are where a host does most of its own work.
    let of = |(domain, count): &(&Domain, usize)| domain.cores[domain.cores.len() - count..].to_vec();
    parts.sort_by_key(|(domain, _)| domain.cores[0][0]);
    let cores: Vec<_> = parts.iter().flat_map(of).collect();
    let emulator = ask.emulator.clone().unwrap_or_else(|| rest(&cores, node, host));
    let mut why: Vec<_> = parts.iter().map(|part| told(part, &pool)).collect();
    if let Some(near) = &ask.near {
        why.push(format!("on NUMA node {}, {}", node.id, near.what));
    }
    why.extend(pool.left_out);
    Ok(Choice { shape: Shape::of(&cores, threads, host), cores, emulator, why })
}

/// How many cores of which domains: of one that has enough, else as many of each as of the others, else as they come.
fn deal(domains: &[Domain], wanted: usize) -> Option<Vec<(&Domain, usize)>> {
    for parts in 1..=domains.len() {
        let each = wanted / parts;
        let fitting = domains.iter().filter(|domain| domain.cores.len() >= each);
        let chosen: Vec<_> = fitting.take(parts).map(|domain| (domain, each)).collect();
        if wanted.is_multiple_of(parts) && chosen.len() == parts {
            return Some(chosen);
        }
    }
    let mut left = wanted;
    let mut chosen = Vec::new();
    for domain in domains {
        let count = domain.cores.len().min(left);
        left -= count;
        chosen.push((domain, count));
    }
    chosen.retain(|(_, count)| *count > 0);
    (left == 0).then_some(chosen)
}

/// Host CPUs of the node, or else of the others, that no vCPU's core has.
fn rest(cores: &[Vec<u32>], node: &Node, host: &Host) -> CpuSet {
    let vcpus: CpuSet = cores.iter().flatten().copied().collect();
    let free = usable(host).without(&vcpus);
    let calm = free.without(&host.cpu_sets.isolated);
    [calm.and(&node.cpus), calm, free, usable(host)].into_iter().find(|set| !set.is_empty()).unwrap_or_default()
}

fn told((domain, count): &(&Domain, usize), pool: &Pool) -> String {
    let (have, noun) = (domain.cores.len(), if *count == 1 { "core" } else { "cores" });
    let Some(size) = domain.size else { return format!("{count} whole {noun} of {have} to be had") };
    let larger = pool.domains.iter().any(|other| other.size < domain.size);
    let rank = if larger { ", the largest to be had" } else { "" };
    format!("{count} {noun} of {have} to be had with the L3 cache of {size} that {} share{rank}", cpus(&domain.cpus))
}

fn too_few_threads(threads: u32, host: u32) -> Problem {
    let what = format!("the guest's cores have {threads} threads each, those of the host {host}");
    Problem::new(Class::Impossible, "cpu.threads", what)
        .why("threads of one guest core on several host cores would not share what the guest believes they do")
        .fix("leave threads out, and give all vCPUs as cores")
}

fn half_core(vcpus: u32, threads: u32) -> Problem {
    let what = format!("{vcpus} vCPUs are no whole number of cores with {threads} threads each");
    let up = vcpus.next_multiple_of(threads);
    Problem::new(Class::Invalid, AT, what)
        .why("a core's other thread would be the host's, and take time from the vCPU beside it")
        .fix(format!("\"auto:{up}\"   # or threads = 1 in [cpu], and each vCPU has a core to itself"))
}

fn too_few_cores(ask: &Ask, node: &Node, pool: &Pool, wanted: usize, threads: u32) -> Problem {
    let have = pool.len();
    let place = match &ask.near {
        Some(near) => format!("NUMA node {}, {},", node.id, near.what),
        None => "the host".into(),
    };
    let verb = if have == 1 { "core" } else { "cores" };
    let what = format!("the guest wants {wanted} whole cores, and {place} has {have} {verb} for it");
    let mut problem = Problem::new(Class::Impossible, AT, what).why(pool.left_out.join("\n"));
    if have > 0 {
        let most = u32::try_from(have).unwrap_or(1) * threads;
        problem = problem.fix(format!("\"auto:{most}\""));
    }
    problem
}
