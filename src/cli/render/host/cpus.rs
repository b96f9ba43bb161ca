//! `vmrun host cpus`: a picture of packages, nodes, caches and cores, with the numbers that pinning takes.

use super::super::layout::counted;
use super::page::{CARE, FAINT, HEAD, PLAIN, Page};
use crate::host::{CoreKind, Cpu, Host};
use crate::unit::{CpuSet, Size};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Columns before the first core of a row.
const MARGIN: usize = 14;

/// The page for people.
pub(in crate::cli) fn text(host: &Host, width: usize) -> String {
    let mut page = Page::new(width);
    write(host, &mut page);
    page.finish()
}

fn write(host: &Host, page: &mut Page) {
    let packages: BTreeSet<_> = host.cpus.iter().map(|cpu| cpu.package).collect();
    let cores = cores(&host.cpus.iter().collect::<Vec<_>>()).len();
    let model = host.cpu_model.as_deref().unwrap_or("host CPUs");
    let counts = [
        counted(packages.len(), "package"),
        counted(host.nodes.len(), "NUMA node"),
        counted(cores, "core"),
        counted(host.cpus.len(), "thread"),
    ];
    page.head(&format!("{model}: {}", counts.join(", ")));
    for (package, node) in places(host) {
        let here: Vec<_> = host.cpus.iter().filter(|cpu| (cpu.package, cpu.node) == (package, node)).collect();
        page.gap();
        page.head(&format!("package {package}, node {node}"));
        for domain in domains(host, &here) {
            draw(&domain, page);
        }
    }
    page.gap();
    sets(host, page);
    frequency(host, page);
}

/// Package and node of each part of the picture.
fn places(host: &Host) -> BTreeSet<(u32, u32)> {
    host.cpus.iter().map(|cpu| (cpu.package, cpu.node)).collect()
}

/// CPUs of one kind below one cache of the last level.
struct Domain<'a> {
    kind: Option<CoreKind>,
    cache: Option<(u8, Size)>,
    cpus: Vec<&'a Cpu>,
}

/// The CPUs in `here` by the largest cache that they share, and by kind.
fn domains<'a>(host: &Host, here: &[&'a Cpu]) -> Vec<Domain<'a>> {
    let mut domains: Vec<Domain<'_>> = Vec::new();
    let mut of: Vec<Option<&CpuSet>> = Vec::new();
    for cpu in here {
        let last =
            host.caches.iter().filter(|cache| cache.level > 1 && cache.cpus.contains(cpu.id)).max_by_key(|it| it.level);
        let set = last.map(|cache| &cache.cpus);
        let known = (0..domains.len()).find(|&index| of[index] == set && domains[index].kind == cpu.kind);
        match known {
            Some(index) => domains[index].cpus.push(cpu),
            None => {
                of.push(set);
                domains.push(Domain {
                    kind: cpu.kind,
                    cache: last.map(|cache| (cache.level, cache.size)),
                    cpus: vec![cpu],
                });
            }
        }
    }
    domains
}

/// The threads of each core, in the order of the first.
fn cores<'a>(cpus: &[&'a Cpu]) -> Vec<Vec<&'a Cpu>> {
    let mut cores: Vec<Vec<&Cpu>> = Vec::new();
    for cpu in cpus {
        match cores.iter_mut().find(|core| core[0].siblings.contains(cpu.id)) {
            Some(core) => core.push(cpu),
            None => cores.push(vec![cpu]),
        }
    }
    cores
}

/// A domain as columns of cores: the core's number, below it its threads.
fn draw(domain: &Domain<'_>, page: &mut Page) {
    let cache = domain.cache.map_or(String::new(), |(level, size)| format!("L{level} {size}"));
    let kind = match domain.kind {
        Some(CoreKind::Performance) => "P-cores",
        Some(CoreKind::Efficiency) => "E-cores",
        None => "cores",
    };
    let fastest = domain.cpus.iter().filter_map(|cpu| cpu.max_khz).max();
    let speed = fastest.map_or(String::new(), |khz| format!("  up to {}", gigahertz(khz)));
    let cores = cores(&domain.cpus);
    page.styled(2, PLAIN, format!("{cache}  {} {kind}{speed}", cores.len()).trim_start());
    let cell = domain.cpus.iter().map(|cpu| cpu.id.max(cpu.core).to_string().len()).max().unwrap_or(1) + 2;
    for row in cores.chunks((page.width().saturating_sub(MARGIN) / cell).max(1)) {
        let numbers = row.iter().map(|core| Some(core[0].core));
        page.line(&format!("    {FAINT}{}{FAINT:#}", line("core", numbers, cell)));
        let threads = row.iter().map(Vec::len).max().unwrap_or_default();
        for thread in 0..threads {
            let label = if thread == 0 { "CPU" } else { "sibling" };
            let numbers = row.iter().map(|core| core.get(thread).map(|cpu| cpu.id));
            let style = if thread == 0 { HEAD } else { PLAIN };
            page.line(&format!("    {style}{}{style:#}", line(label, numbers, cell)));
        }
    }
}

/// A label and right-aligned numbers.
fn line(label: &str, numbers: impl Iterator<Item = Option<u32>>, cell: usize) -> String {
    let mut line = format!("{label:width$}", width = MARGIN - 4 - 1);
    for number in numbers {
        let number = number.map_or("-".to_owned(), |number| number.to_string());
        _ = write!(line, "{number:>cell$}");
    }
    line
}

fn gigahertz(khz: u32) -> String {
    format!("{}.{} GHz", khz / 1_000_000, khz % 1_000_000 / 100_000)
}

/// What the kernel treats apart.
fn sets(host: &Host, page: &mut Page) {
    let sets = &host.cpu_sets;
    if !sets.offline.is_empty() {
        page.row(2, "offline", CARE, &sets.offline.to_string());
    }
    let beyond = host.online().without(&sets.allowed);
    if !sets.allowed.is_empty() && !beyond.is_empty() {
        page.row(
            2,
            "allowed",
            CARE,
            &format!("{} only: the control group or mask of this process leaves out {beyond}", sets.allowed),
        );
    }
    if !sets.isolated.is_empty() {
        page.row(
            2,
            "isolated",
            PLAIN,
            &format!("{} (isolcpus): threads stay on the CPU that they are put on", sets.isolated),
        );
    }
    if !sets.nohz_full.is_empty() {
        page.row(2, "nohz_full", PLAIN, &format!("{}: no timer tick while one thread runs", sets.nohz_full));
    }
}

/// Who sets the frequency, and how it is set.
fn frequency(host: &Host, page: &mut Page) {
    let Some(frequency) = &host.frequency else {
        return page.row(2, "frequency", PLAIN, "not set by this kernel");
    };
    page.row(2, "frequency", PLAIN, &format!("driver {}", frequency.driver));
    let governors = by(host, |cpu| cpu.governor.as_deref());
    page.row(2, "governor", PLAIN, &format!("{governors}; there are {}", frequency.governors.join(", ")));
    if !frequency.preferences.is_empty() {
        let preferences = by(host, |cpu| cpu.preference.as_deref());
        page.row(2, "energy", PLAIN, &format!("{preferences}; there are {}", frequency.preferences.join(", ")));
    }
}

/// Each value and the CPUs that have it, like `performance on 0-3, powersave on 4-7`.
fn by<'a>(host: &'a Host, value: impl Fn(&'a Cpu) -> Option<&'a str>) -> String {
    let values: BTreeSet<&str> = host.cpus.iter().filter_map(&value).collect();
    let told = values.into_iter().map(|wanted| {
        let cpus: CpuSet = host.cpus.iter().filter(|cpu| value(cpu) == Some(wanted)).map(|cpu| cpu.id).collect();
        format!("{wanted} on {cpus}")
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The same for programs.
pub(in crate::cli) fn json(host: &Host) -> Value {
    let Host { cpus, nodes, caches, cpu_sets, frequency, cpu_model, .. } = host;
    let nodes: Vec<_> = nodes.iter().map(|node| json!({"id": node.id, "cpus": node.cpus})).collect();
    json!({
        "model": cpu_model,
        "cpus": cpus,
        "nodes": nodes,
        "caches": caches,
        "sets": cpu_sets,
        "frequency": frequency,
    })
}
