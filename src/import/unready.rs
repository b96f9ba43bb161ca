//! What a foreign file may hold and no profile: the profile asks instead, in lines that are commented out, so that it is never
//! one that vmrun itself refuses.

use super::MOST_VCPUS;
use super::page::Page;
use super::table::Table;
use crate::unit::CpuSet;
use uuid::Uuid;

/// Gives the guest the identity `text`, or asks for it; returns whether it asked.
pub(super) fn identity(top: &mut Table, text: &str) -> bool {
    // What a shell computes is asked about in the end, with everything else that it computes.
    if Uuid::try_parse(text).is_ok() || !super::computed::parts(text).is_empty() {
        top.set("uuid", text);
        return false;
    }
    let question = format!("`{text}` is no UUID. Windows takes the guest for another machine without its own:");
    top.ask(&question, "uuid = \"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\"");
    true
}

/// Asks for the image of a disk that the file names none of; returns whether it did. An empty CD-ROM drive needs none.
pub(super) fn no_image(disk: &mut Table) -> bool {
    if disk.get("file").is_some() || disk.get("cdrom").is_some() {
        return false;
    }
    disk.put_off("there is a disk, and no image for it. With one as its file:");
    disk.set("file", "disk.qcow2");
    if disk.get("format").is_none() {
        disk.set("format", "qcow2");
    }
    true
}

/// Gives each vCPU that the guest has to one NUMA node, as QEMU does, and takes from them those that it does not have; returns
/// these. QEMU: `hw/core/machine.c`, `machine_numa_finish_cpu_init`.
pub(super) fn vcpus_of_nodes(page: &mut Page) -> CpuSet {
    let levels = ["sockets", "dies", "modules", "cores", "threads"];
    if levels.iter().all(|level| page.get("cpu", level).is_none()) {
        // How many there are is asked.
        return CpuSet::default();
    }
    let level = |name: &str| page.get("cpu", name).and_then(toml::Value::as_integer).unwrap_or(1);
    let sockets = level("sockets").max(1);
    let count = levels.map(level).into_iter().fold(1, i64::saturating_mul);
    let guest: CpuSet = (0..count).take(MOST_VCPUS).filter_map(|cpu| u32::try_from(cpu).ok()).collect();
    let nodes = page.list("numa");
    let given: Vec<Option<CpuSet>> = nodes.iter().map(|node| node.text("cpus")?.parse().ok()).collect();
    let all = given.iter().flatten().fold(CpuSet::default(), |all, cpus| all.union(cpus));
    let left = guest.without(&all);
    let last = i64::try_from(nodes.len()).unwrap_or(1).max(1);
    for ((at, node), cpus) in (0..).zip(nodes).zip(given) {
        let by_socket = |cpu: &u32| i64::from(*cpu) * sockets / count.max(1) % last == at;
        let more: CpuSet = match all.is_empty() {
            true => guest.iter().filter(by_socket).collect(),
            false if at == 0 => left.clone(),
            false => CpuSet::default(),
        };
        let own = cpus.unwrap_or_default().and(&guest).union(&more);
        match own.is_empty() {
            true => node.remove("cpus"),
            false => node.set("cpus", own.to_string()),
        }
    }
    all.without(&guest)
}
