//! Whether the guest's cores are the host's cores. A pin map that mixes them works, and is slow in ways hard to find.

use crate::host::Host;
use crate::plan::{Class, Problem};
use crate::unit::CpuSet;

const AT: &str = "cpu.pinning.vcpus";

/// A warning when vCPUs that the guest takes for siblings are none on the host, or the other way round.
///
/// Judges only pins to single host CPUs; wider sets leave the choice to the kernel.
pub(super) fn lint(pins: &[CpuSet], threads: u32, host: &Host) -> Option<Problem> {
    let cpus: Vec<u32> = pins.iter().map(|set| set.iter().next().filter(|_| set.len() == 1)).collect::<Option<_>>()?;
    let threads = usize::try_from(threads).ok()?;
    if cpus.iter().any(|&cpu| host.cpu(cpu).is_none()) || !cpus.len().is_multiple_of(threads) {
        return None;
    }
    if threads == 1 { lint_cores(&cpus, host) } else { lint_threads(&cpus, threads, host) }
}

/// The guest believes in sibling threads: each of its cores must be one host core.
fn lint_threads(cpus: &[u32], threads: usize, host: &Host) -> Option<Problem> {
    let split = cpus.chunks(threads).position(|core| core.iter().any(|&cpu| !siblings(host, core[0]).contains(cpu)))?;
    let vcpus = split * threads..(split + 1) * threads;
    let what = format!(
        "vCPUs {} are siblings to the guest, but host CPUs {} are not",
        list(vcpus),
        list(cpus.chunks(threads).nth(split)?)
    );
    let cores = by_core(cpus, host);
    let fix = if cores.iter().all(|core| core.len() == threads) {
        format!("vcpus = [{}]", list(cores.concat()))
    } else {
        let pairs = cpus.iter().map(|&cpu| siblings(host, cpu).to_string());
        let mut pairs: Vec<_> = pairs.collect();
        pairs.dedup();
        format!("pin to whole host cores; the siblings of the CPUs named here are {}", pairs.join("; "))
    };
    let why = "the guest's scheduler places work by siblings: it would share a core without knowing it";
    Some(Problem::new(Class::Invalid, AT, what).why(why).fix(fix))
}

/// The guest believes in cores only: two of them on one host core take each other's time.
fn lint_cores(cpus: &[u32], host: &Host) -> Option<Problem> {
    let cores = by_core(cpus, host);
    let shared = cores.iter().find(|core| core.len() > 1)?;
    let what = format!("host CPUs {} are threads of one core, and the guest takes them for cores", list(shared.iter()));
    let each = shared.len();
    let mut problem = Problem::new(Class::Invalid, AT, what)
        .why("the guest's scheduler spreads work over cores and would put two busy threads on one");
    if cores.iter().all(|core| core.len() == each) {
        let topology = format!("cores = {}\nthreads = {each}", cores.len());
        problem = problem.fix(format!("{topology}\n[cpu.pinning]\nvcpus = [{}]", list(cores.concat())));
    }
    Some(problem)
}

/// `cpus` grouped by host core, in the order in which the cores appear.
fn by_core(cpus: &[u32], host: &Host) -> Vec<Vec<u32>> {
    let mut cores: Vec<Vec<u32>> = Vec::new();
    for &cpu in cpus {
        match cores.iter_mut().find(|core| siblings(host, core[0]).contains(cpu)) {
            Some(core) => core.push(cpu),
            None => cores.push(vec![cpu]),
        }
    }
    cores
}

fn siblings(host: &Host, cpu: u32) -> CpuSet {
    host.cpu(cpu).map_or_else(|| CpuSet::of(cpu), |cpu| cpu.siblings.clone())
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
