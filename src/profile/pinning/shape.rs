//! What the host cores of the vCPUs look like, which is what the guest is told of its own.

use crate::host::Host;
use crate::unit::CpuSet;

/// A guest topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::profile) struct Shape {
    pub(in crate::profile) sockets: u32,
    pub(in crate::profile) dies: u32,
    pub(in crate::profile) cores: u32,
    pub(in crate::profile) threads: u32,
}

impl Shape {
    /// One socket and die with `cores` cores of `threads` threads.
    pub(super) fn plain(cores: usize, threads: u32) -> Self {
        Self { sockets: 1, dies: 1, cores: number(cores).max(1), threads }
    }

    /// That of `cores`, each with its first `threads` CPUs: a socket for each package and a die for each L3 cache, where
    /// all have as many.
    pub(super) fn of(cores: &[Vec<u32>], threads: u32, host: &Host) -> Self {
        let first: Vec<u32> = cores.iter().filter_map(|core| core.first().copied()).collect();
        let package = |cpu: u32| host.cpu(cpu).map(|cpu| cpu.package);
        let Some(sockets) = equal_runs(&first, package) else { return Self::plain(cores.len(), threads) };
        let dies =
            equal_runs(&first, |cpu| (package(cpu), domain(host, cpu))).filter(|dies| dies.is_multiple_of(sockets));
        let dies = dies.map_or(1, |dies| dies / sockets);
        let cores = number(cores.len() / (sockets * dies)).max(1);
        Self { sockets: number(sockets), dies: number(dies), cores, threads }
    }

    /// That of a list of pins: threads where neighbours in it are siblings on the host.
    pub(super) fn of_list(pins: &[CpuSet], host: &Host) -> Self {
        let plain = Self::plain(pins.len(), 1);
        let Some(cpus) = singles(pins).filter(|cpus| cpus.iter().all(|cpu| host.cpu(*cpu).is_some())) else {
            return plain;
        };
        let mut cores: Vec<Vec<u32>> = Vec::new();
        for cpu in cpus {
            match cores.last_mut().filter(|core| siblings(host, core[0]).contains(cpu)) {
                Some(core) => core.push(cpu),
                None => cores.push(vec![cpu]),
            }
        }
        let threads = cores[0].len();
        if cores.iter().all(|core| core.len() == threads) { Self::of(&cores, number(threads), host) } else { plain }
    }
}

/// The host CPU of each pin; `None` when one of them leaves a choice, or there are none.
pub(super) fn singles(pins: &[CpuSet]) -> Option<Vec<u32>> {
    let one = |set: &CpuSet| set.iter().next().filter(|_| set.len() == 1);
    pins.iter().map(one).collect::<Option<Vec<_>>>().filter(|cpus| !cpus.is_empty())
}

/// The threads of `cpu`'s core; itself alone on a host that does not have it.
pub(super) fn siblings(host: &Host, cpu: u32) -> CpuSet {
    host.cpu(cpu).map_or_else(|| CpuSet::of(cpu), |cpu| cpu.siblings.clone())
}

/// Position in the host's caches of the last level that `cpu` shares; `None` when the host tells of no third level.
pub(super) fn domain(host: &Host, cpu: u32) -> Option<usize> {
    host.caches.iter().position(|cache| cache.level == 3 && cache.cpus.contains(cpu))
}

/// Number of values of `of`, when each is that of one run of `cpus` and the runs are of one length.
fn equal_runs<K: PartialEq>(cpus: &[u32], of: impl Fn(u32) -> K) -> Option<usize> {
    let mut runs: Vec<(K, usize)> = Vec::new();
    for key in cpus.iter().map(|cpu| of(*cpu)) {
        match runs.iter().position(|(before, _)| *before == key) {
            Some(at) if at + 1 == runs.len() => runs[at].1 += 1,
            Some(_) => return None,
            None => runs.push((key, 1)),
        }
    }
    let length = runs.first()?.1;
    runs.iter().all(|run| run.1 == length).then_some(runs.len())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
