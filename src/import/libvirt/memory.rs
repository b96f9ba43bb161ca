//! `<memory>`, `<memoryBacking>`, `<numatune>`: how much, of which pages, on which nodes.

use super::Domain;
use crate::import::page::{number, size};
use crate::import::xml::Element;

pub(super) fn import(root: &Element, domain: &mut Domain) {
    if let Some(memory) = root.child("memory") {
        memory.attr("dumpCore");
        if let Some(bytes) = scaled(memory.text(), memory.attr("unit")) {
            whole(memory, bytes, domain);
        }
    }
    if let Some(current) = root.child("currentMemory") {
        let all = root.child("memory").and_then(|memory| scaled(memory.text(), memory.attr("unit")));
        let some = scaled(current.text(), current.attr("unit"));
        if some.zip(all).is_some_and(|(some, all)| some < all) {
            current.translated("the guest has all of its memory from the start");
        }
    }
    if let Some(most) = root.child("maxMemory") {
        most.lost("memory cannot be plugged in while the guest runs");
    }
    if let Some(backing) = root.child("memoryBacking") {
        self::backing(backing, domain);
    }
    if let Some(tune) = root.child("numatune") {
        numatune(tune, domain);
    }
    if let Some(tune) = root.child("memtune") {
        tune.lost("limits on QEMU's memory are not set; a systemd slice can have them");
    }
}

/// QEMU's memory is whole MiB.
fn whole(memory: &Element, bytes: u64, domain: &mut Domain) {
    let up = bytes.next_multiple_of(1 << 20).max(1 << 20);
    if up != bytes {
        memory.translated(format!("{}, the next whole MiB", size(up)));
    }
    // Nodes have their own sizes, and their sum counts.
    if domain.page.count("numa") == 0 {
        domain.page.table("memory").set("size", size(up));
    }
}

/// The amount at the attribute `name` of `element`, in the unit of another attribute; bytes.
pub(super) fn amount(element: &Element, name: &str, unit: &str) -> Option<u64> {
    scaled(element.attr(name)?, element.attr(unit))
}

/// An amount of bytes by libvirt's rules; KiB unless said.
pub(super) fn scaled(text: &str, unit: Option<&str>) -> Option<u64> {
    let amount: u64 = text.trim().parse().ok()?;
    let by: u64 = match unit.unwrap_or("KiB") {
        "b" | "bytes" | "byte" | "B" => 1,
        "KB" => 1000,
        "k" | "KiB" | "K" => 1 << 10,
        "MB" => 1_000_000,
        "M" | "MiB" | "m" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" | "g" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "T" | "TiB" | "t" => 1 << 40,
        _ => return None,
    };
    amount.checked_mul(by)
}

fn backing(backing: &Element, domain: &mut Domain) {
    let table = domain.page.table("memory");
    if let Some(huge) = backing.child("hugepages") {
        let pages: Vec<_> = huge.all("page").collect();
        let sizes: Vec<_> = pages.iter().filter_map(|page| amount(page, "size", "unit")).collect();
        match sizes.first() {
            Some(bytes) if *bytes == 1 << 30 => table.set("hugepages", "1G"),
            Some(bytes) if *bytes == 2 << 20 => table.set("hugepages", "2M"),
            Some(bytes) if *bytes == 4 << 10 => table.set("hugepages", false),
            None => table.set("hugepages", "2M"),
            Some(_) => huge.lost("this host has no huge pages of that size"),
        }
        for page in pages.iter().skip(1) {
            page.lost("all nodes have pages of one size, that of the first");
        }
        pages.iter().for_each(|page| _ = page.attr("nodeset"));
    }
    if backing.child("locked").is_some() {
        table.set("locked", true);
    }
    if let Some(element) = backing.child("nosharepages") {
        table.remove("mem_merge");
        element.translated("mem_merge is off unless asked for");
    }
    match backing.child("access").and_then(|access| access.attr("mode")) {
        Some("shared") => table.set("share", true),
        // A memfd is shared unless said.
        Some("private") if memfd(backing) => table.set("share", false),
        _ => {}
    }
    if let Some(source) = backing.child("source") {
        match source.attr("type") {
            Some("memfd") => table.set("backend", "memfd"),
            Some("file") => {
                source.translated("anonymous memory, which can be shared as well and needs no folder");
            }
            _ => {}
        }
    }
    if let Some(allocation) = backing.child("allocation") {
        if allocation.attr("mode") == Some("immediate") {
            table.set("prealloc", true);
            table.maybe("prealloc_threads", allocation.number("threads").map(|threads| number(threads.min(16))));
        } else {
            allocation.attr("threads");
        }
    }
    if let Some(discard) = backing.child("discard") {
        discard.needless("the memory is given back when QEMU ends in any case");
    }
}

fn memfd(backing: &Element) -> bool {
    backing.child("source").is_some_and(|source| source.attr("type") == Some("memfd"))
}

fn policy(element: &Element) -> Option<&'static str> {
    match element.attr("mode") {
        Some("preferred") => Some("preferred"),
        Some("interleave") => Some("interleave"),
        Some("restrictive") => {
            element.translated("bind: memory stays on these nodes");
            None
        }
        _ => None,
    }
}

fn numatune(tune: &Element, domain: &mut Domain) {
    let nodes: Vec<_> = tune.all("memnode").collect();
    if let Some(memory) = tune.child("memory") {
        if memory.attr("placement") == Some("auto") {
            memory.lost("numad is not asked; memory follows the vCPUs' pins");
        } else if let Some(set) = memory.attr("nodeset") {
            whole_guest(memory, set, nodes.is_empty(), domain);
        }
    }
    for node in nodes {
        let Some(cell) = node.number("cellid").and_then(|cell| usize::try_from(cell).ok()) else { continue };
        let host = node.attr("nodeset").and_then(|set| set.parse::<crate::unit::CpuSet>().ok());
        let policy = policy(node);
        match (
            domain.page.list("numa").get_mut(cell),
            host.and_then(|set| set.iter().next().filter(|_| set.len() == 1)),
        ) {
            (Some(table), Some(host)) => {
                table.set("host_node", i64::from(host));
                table.maybe("policy", policy);
            }
            _ => node.lost("a node of the guest lies on one node of the host"),
        }
    }
}

/// Where the memory of the whole guest lies; of each of its nodes when it has some.
fn whole_guest(memory: &Element, set: &str, alone: bool, domain: &mut Domain) {
    let Ok(nodes) = set.parse::<crate::unit::CpuSet>() else {
        memory.lost(format!("`{set}` is no set of nodes"));
        return;
    };
    let policy = policy(memory);
    if domain.page.count("numa") == 0 {
        let nodes: Vec<i64> = nodes.iter().map(i64::from).collect();
        let table = domain.page.table("memory");
        table.set("host_nodes", nodes);
        table.maybe("policy", policy);
    } else if let Some(host) = nodes.iter().next().filter(|_| nodes.len() == 1 && alone) {
        for table in domain.page.list("numa") {
            table.set("host_node", i64::from(host));
            table.maybe("policy", policy);
        }
    } else if alone {
        memory.lost("a node of the guest lies on one node of the host");
    }
}
