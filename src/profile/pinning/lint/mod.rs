//! Pins that work, and are slow in ways that are hard to find. Each with the line that mends it.

mod away;
mod cores;
mod masks;
mod split;

use super::choice::{AT, Choice};
use super::pool::{Ask, usable};
use super::shape::{siblings, singles};
use super::site::Site;
use super::{Guest, Pinning};
use crate::host::Host;
use crate::plan::Problem;
use crate::unit::CpuSet;

/// What is looked at.
struct Look<'a> {
    pinning: &'a Pinning,
    pins: &'a [CpuSet],
    /// The host CPU of each vCPU, when each has one.
    cpus: Option<Vec<u32>>,
    guest: Guest,
    site: &'a Site,
    host: &'a Host,
}

/// Warnings about `pinning` for the vCPUs of `guest`; only about its surroundings when the vCPUs' CPUs are `chosen` by
/// vmrun.
pub(super) fn lint(pinning: &Pinning, guest: Guest, site: &Site, host: &Host, chosen: bool) -> Vec<Problem> {
    let pins = pinning.vcpus.list();
    let there = |cpus: &Vec<u32>| cpus.iter().all(|cpu| host.cpu(*cpu).is_some());
    let cpus = singles(pins).filter(there);
    let look = Look { pinning, pins, cpus, guest, site, host };
    let mut warnings = if chosen { Vec::new() } else { vcpus(&look) };
    warnings.extend(away::memory(&look));
    warnings.extend(away::emulator(&look));
    warnings.extend(away::iothreads(&look));
    warnings
}

/// Warnings about the vCPUs themselves.
fn vcpus(look: &Look) -> Vec<Problem> {
    let mut warnings: Vec<_> = cores::order(look).into_iter().collect();
    if warnings.is_empty() {
        // A line that mends the order would be mended again by these.
        warnings.extend(split::twins(look));
        warnings.extend(split::kinds(look));
        warnings.extend(split::nodes(look).or_else(|| split::caches(look)));
    }
    warnings.extend(away::card(look));
    warnings.extend(masks::crowded(look));
    warnings.extend(masks::isolated(look));
    warnings.extend(masks::closed(look));
    warnings.extend(masks::taken(look));
    warnings
}

/// Host CPUs for threads that are no vCPU: of cores that no vCPU is on, else those without a vCPU, else all.
pub(super) fn rest(pinned: &CpuSet, host: &Host) -> CpuSet {
    let cores: CpuSet = pinned.iter().flat_map(|cpu| siblings(host, cpu).iter().collect::<Vec<_>>()).collect();
    let usable = usable(host);
    let calm = usable.without(&host.cpu_sets.isolated);
    let free = [calm.without(&cores), usable.without(&cores), usable.without(pinned)];
    free.into_iter().find(|cpus| !cpus.is_empty()).unwrap_or_else(|| host.online())
}

impl Look<'_> {
    /// What vmrun would have chosen for as many vCPUs, on whole cores where they fill such.
    fn better(&self) -> Option<Choice> {
        let ask =
            |threads| Ask { vcpus: Some(self.guest.vcpus), threads, near: self.site.near.clone(), ..Ask::default() };
        let whole = Choice::of(&ask(None), self.host);
        whole.or_else(|_| Choice::of(&ask(Some(self.guest.threads)), self.host)).ok()
    }

    /// `problem` with vmrun's own choice to paste, where there is one.
    fn mend(&self, problem: Problem) -> Problem {
        match self.better() {
            Some(choice) => problem.fix(self.lines(&choice)),
            None => problem,
        }
    }

    /// The lines to paste for `choice`.
    fn lines(&self, choice: &Choice) -> String {
        let shape = choice.shape;
        let vcpus = format!("vcpus = [{}]", list(choice.cpus()));
        if shape.threads == self.guest.threads && shape.dies * shape.sockets == self.guest.dies {
            return vcpus;
        }
        let mut lines = Vec::new();
        let levels =
            [("sockets", shape.sockets), ("dies", shape.dies), ("cores", shape.cores), ("threads", shape.threads)];
        lines.extend(levels.iter().filter(|(_, count)| *count > 1).map(|(level, count)| format!("{level} = {count}")));
        lines.push("[cpu.pinning]".into());
        lines.push(vcpus);
        lines.join("\n")
    }
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
