//! Who runs where: threads of QEMU against cores and their sibling threads.

use super::layout::table;
use crate::host::{Cache, CoreKind, Cpu, Host};
use crate::plan::{Pins, Placement, Sched};
use crate::unit::CpuSet;

/// What all other threads of QEMU are called together.
const REST: &str = "emulator";

/// The table of cores, `width` columns wide; adjacent cores without a vCPU share a row.
pub(super) fn cores(page: &mut String, width: usize, pins: &Pins, host: &Host) {
    let threads = threads(pins);
    let caches: Vec<&Cache> = host.caches.iter().filter(|cache| cache.level == 3).collect();
    let mut rows: Vec<Row> = Vec::new();
    for core in cores_of(host) {
        let row = Row::of(&core, &caches, &threads);
        match rows.last_mut() {
            Some(before) if before.joins(&row) => before.absorb(&row),
            _ => rows.push(row),
        }
    }
    let mut cells: Vec<_> = rows.iter().map(Row::cells).collect();
    cells.extend(absent(host, &threads).iter().map(|cpu| {
        let who = format!("{}: not on this host", on(cpu, &threads));
        ["-".to_owned(), "-".to_owned(), "-".to_owned(), cpu.to_string(), who]
    }));
    if caches.is_empty() {
        let cells: Vec<_> = cells.into_iter().map(|[node, core, _, cpus, who]| [node, core, cpus, who]).collect();
        return table(page, width, ["node", "core", "sibling threads", "who runs there"], &cells);
    }
    table(page, width, ["node", "core", "L3", "sibling threads", "who runs there"], &cells);
}

/// Threads that have a class and no host CPUs of their own, each as a sentence.
pub(super) fn unplaced(pins: &Pins) -> Vec<String> {
    let anywhere = named(pins).filter(|(_, place)| place.cpus.is_none() && place.sched != Sched::Normal);
    anywhere.map(|(name, place)| format!("{name}{}: on the emulator's host CPUs", class(place.sched))).collect()
}

/// A core, or adjacent cores that are alike and have no vCPU.
struct Row {
    node: u32,
    kind: Option<CoreKind>,
    /// Its L3 cache, with a number where there are several.
    cache: String,
    cores: CpuSet,
    siblings: CpuSet,
    /// Who runs there; empty when nobody does.
    who: String,
}

impl Row {
    fn of(core: &[&Cpu], caches: &[&Cache], threads: &[Thread]) -> Self {
        let siblings: Vec<_> = core.iter().map(|cpu| cpu.id).collect();
        let Cpu { node, kind, core, .. } = core[0];
        let who = who(&siblings, threads);
        let cache = cache(siblings[0], caches);
        Self {
            node: *node,
            kind: *kind,
            cache,
            cores: CpuSet::of(*core),
            who,
            siblings: siblings.into_iter().collect(),
        }
    }

    /// Whether both are alike, and have the same threads that may run anywhere in them, or none.
    fn joins(&self, next: &Self) -> bool {
        let place = |row: &Self| (row.node, row.kind, row.cache.clone());
        place(self) == place(next) && self.who == next.who && (self.who.is_empty() || self.who == REST)
    }

    fn absorb(&mut self, next: &Self) {
        self.cores.extend(next.cores.iter());
        self.siblings.extend(next.siblings.iter());
    }

    fn cells(&self) -> [String; 5] {
        let who = if self.who.is_empty() { "no thread of the guest" } else { &self.who };
        let kind = match self.kind {
            Some(CoreKind::Performance) => " P",
            Some(CoreKind::Efficiency) => " E",
            None => "",
        };
        let cores = format!("{}{kind}", self.cores);
        [self.node.to_string(), cores, self.cache.clone(), self.siblings.to_string(), who.to_owned()]
    }
}

/// The L3 cache of host CPU `cpu` by its size, with its number where there are several.
fn cache(cpu: u32, caches: &[&Cache]) -> String {
    match (caches.iter().position(|cache| cache.cpus.contains(cpu)), caches.len()) {
        (None, _) => "-".into(),
        (Some(at), 1) => caches[at].size.to_string(),
        (Some(at), _) => format!("#{} {}", at + 1, caches[at].size),
    }
}

/// A thread of QEMU, as it is told, and its place.
struct Thread {
    name: String,
    cpus: CpuSet,
}

fn named(pins: &Pins) -> impl Iterator<Item = (String, &Placement)> {
    let Pins { vcpus, iothreads, emulator: _, core_scheduling: _, why: _ } = pins;
    let vcpus = vcpus.iter().enumerate().map(|(index, place)| (format!("vCPU {index}"), place));
    vcpus.chain(iothreads.iter().map(|(id, place)| (format!("iothread {id}"), place)))
}

fn threads(pins: &Pins) -> Vec<Thread> {
    let placed = named(pins).filter_map(|(name, Placement { cpus, sched })| {
        Some(Thread { name: format!("{name}{}", class(*sched)), cpus: cpus.clone()? })
    });
    let rest = pins.emulator.iter().map(|cpus| Thread { name: REST.to_owned(), cpus: cpus.clone() });
    placed.chain(rest).collect()
}

fn class(sched: Sched) -> String {
    match sched {
        Sched::Normal => String::new(),
        Sched::Nice(value) => format!(" (nice {value})"),
        Sched::Fifo(priority) => format!(" (fifo {priority})"),
    }
}

/// The host CPUs by core, in the order of their first thread.
fn cores_of(host: &Host) -> Vec<Vec<&Cpu>> {
    let mut cores: Vec<Vec<&Cpu>> = Vec::new();
    for cpu in &host.cpus {
        let same = |core: &&mut Vec<&Cpu>| core[0].package == cpu.package && core[0].core == cpu.core;
        match cores.iter_mut().find(same) {
            Some(core) => core.push(cpu),
            None => cores.push(vec![cpu]),
        }
    }
    cores
}

/// Who runs on sibling threads; told for each thread where they differ.
fn who(siblings: &[u32], threads: &[Thread]) -> String {
    let each: Vec<_> = siblings.iter().map(|cpu| on(*cpu, threads)).collect();
    if each.iter().all(|who| *who == each[0]) {
        return each[0].clone();
    }
    let nobody = |who: &str| if who.is_empty() { "nobody" } else { who }.to_owned();
    let told: Vec<_> = siblings.iter().zip(&each).map(|(cpu, who)| format!("{cpu}: {}", nobody(who))).collect();
    told.join("; ")
}

fn on(cpu: u32, threads: &[Thread]) -> String {
    let there = threads.iter().filter(|thread| thread.cpus.contains(cpu));
    there.map(|thread| &*thread.name).collect::<Vec<_>>().join(", ")
}

fn absent(host: &Host, threads: &[Thread]) -> CpuSet {
    let wanted: CpuSet = threads.iter().flat_map(|thread| thread.cpus.iter()).collect();
    wanted.without(&host.online())
}
