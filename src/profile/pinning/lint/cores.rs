//! Whether the guest's cores are the host's cores.

use super::super::shape::siblings;
use super::{AT, Look, list};
use crate::host::Host;
use crate::plan::{Class, Problem};

/// A warning when vCPUs that the guest takes for siblings are none on the host, or the other way round.
///
/// Judges only pins to single host CPUs; wider sets leave the choice to the kernel.
pub(super) fn order(look: &Look) -> Option<Problem> {
    let cpus = look.cpus.as_ref()?;
    let threads = usize::try_from(look.guest.threads).ok().filter(|threads| cpus.len().is_multiple_of(*threads))?;
    if threads == 1 { taken_for_cores(cpus, look) } else { apart(cpus, threads, look) }
}

/// The guest believes in sibling threads: each of its cores must be one host core.
fn apart(cpus: &[u32], threads: usize, look: &Look) -> Option<Problem> {
    let host = look.host;
    let split = cpus.chunks(threads).position(|core| core.iter().any(|&cpu| !siblings(host, core[0]).contains(cpu)))?;
    let vcpus = split * threads..(split + 1) * threads;
    let what = format!(
        "vCPUs {} are siblings to the guest, but host CPUs {} are not",
        list(vcpus),
        list(cpus.chunks(threads).nth(split)?)
    );
    let why = "the guest's scheduler places work by siblings: it would share a core without knowing it";
    let problem = Problem::new(Class::Invalid, AT, what).why(why);
    let cores = by_core(cpus, host);
    if cores.iter().all(|core| core.len() == threads) {
        return Some(problem.fix(format!("vcpus = [{}]", list(cores.concat()))));
    }
    Some(match look.better() {
        Some(choice) => problem.fix(look.lines(&choice)),
        None => problem.fix(format!("cores = {}\nthreads = 1", cpus.len())),
    })
}

/// The guest believes in cores only: two of them on one host core take each other's time.
fn taken_for_cores(cpus: &[u32], look: &Look) -> Option<Problem> {
    let cores = by_core(cpus, look.host);
    let shared = cores.iter().find(|core| core.len() > 1)?;
    let what = format!("host CPUs {} are threads of one core, and the guest takes them for cores", list(shared.iter()));
    let each = shared.len();
    let problem = Problem::new(Class::Invalid, AT, what)
        .why("the guest's scheduler spreads work over cores and would put two busy threads on one");
    if cores.iter().any(|core| core.len() != each) {
        return Some(look.mend(problem));
    }
    let topology = format!("cores = {}\nthreads = {each}", cores.len());
    Some(problem.fix(format!("{topology}\n[cpu.pinning]\nvcpus = [{}]", list(cores.concat()))))
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
