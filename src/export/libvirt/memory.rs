//! `<memory>`, `<memoryBacking>`, `<numatune>` and the guest's NUMA nodes.

use super::Source;
use crate::export::memory;
use crate::export::xml::Element;

pub(super) fn write(source: &Source<'_>, domain: &mut Element) {
    let document = source.document;
    let kib = memory(source.contents) >> 10;
    domain.push(Element::of("memory", kib.to_string()).with("unit", "KiB"));
    document.settle("memory.size");
    document.settle("memory.balloon");
    let mut backing = Element::new("memoryBacking");
    let pages = match document.get("memory.hugepages") {
        Some(toml::Value::String(word)) if word == "2M" => Some(2048),
        Some(toml::Value::Boolean(true)) => Some(2048),
        Some(toml::Value::String(word)) if word == "1G" => Some(1 << 20),
        Some(toml::Value::Boolean(false)) | None => None,
        // What is chosen only here, or asks the kernel for what libvirt does not.
        Some(_) => {
            document.unread_again("memory.hugepages");
            None
        }
    };
    if let Some(kib) = pages {
        let page = Element::new("page").with("size", kib).with("unit", "KiB");
        backing.push(Element::new("hugepages").and(page));
    }
    if document.on("memory.mem_merge").or_else(|| document.on("machine.mem_merge")) != Some(true) {
        backing.push(Element::new("nosharepages"));
    }
    if document.on("memory.locked") == Some(true) {
        backing.push(Element::new("locked"));
    }
    if document.text("memory.backend").as_deref() == Some("memfd") {
        backing.push(Element::new("source").with("type", "memfd"));
    }
    if let Some(shared) = document.on("memory.share") {
        backing.push(Element::new("access").with("mode", if shared { "shared" } else { "private" }));
    }
    backing = backing.and_maybe(allocation(source, pages.is_some()));
    if !backing.is_empty() {
        domain.push(backing);
    }
    tune(source, domain);
}

/// When the memory is taken; libvirt takes `huge` pages at once in any case.
fn allocation(source: &Source<'_>, huge: bool) -> Option<Element> {
    let document = source.document;
    let given = document.on("memory.prealloc");
    if huge && given == Some(false) {
        document.unread_again("memory.prealloc");
    }
    if given.unwrap_or(huge) {
        let threads = document.number("memory.prealloc_threads");
        let element = Element::new("allocation").with("mode", "immediate");
        return (given.is_some() || threads.is_some()).then(|| element.maybe("threads", threads));
    }
    None
}

fn tune(source: &Source<'_>, domain: &mut Element) {
    let document = source.document;
    let mut tune = Element::new("numatune");
    let mode = |key: &str| match document.text(key).as_deref() {
        Some("preferred") => "preferred",
        Some("interleave") => "interleave",
        _ => "strict",
    };
    let nodes = document.texts("memory.host_nodes");
    if !nodes.is_empty() {
        tune.push(Element::new("memory").with("mode", mode("memory.policy")).with("nodeset", nodes.join(",")));
    }
    for i in 0..document.count("numa") {
        if let Some(node) = document.number(&format!("numa[{i}].host_node")) {
            let element = Element::new("memnode").with("cellid", i).with("mode", mode(&format!("numa[{i}].policy")));
            tune.push(element.with("nodeset", node));
        }
    }
    if !tune.is_empty() {
        domain.push(tune);
    }
}

/// The guest's NUMA nodes, in `<cpu>`.
pub(super) fn cells(source: &Source<'_>, cpu: &mut Element) {
    let document = source.document;
    let mut numa = Element::new("numa");
    for i in 0..document.count("numa") {
        let cpus = match document.get(&format!("numa[{i}].cpus")) {
            Some(toml::Value::Array(all)) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Some(toml::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let kib = document.bytes(&format!("numa[{i}].size")).unwrap_or(0) >> 10;
        let mut cell = Element::new("cell").with("id", i);
        if !cpus.is_empty() {
            cell = cell.with("cpus", cpus);
        }
        cell = cell.with("memory", kib).with("unit", "KiB");
        let distances = document.texts(&format!("numa[{i}].distances"));
        if !distances.is_empty() {
            let siblings = distances.iter().enumerate();
            let siblings = siblings.map(|(id, value)| Element::new("sibling").with("id", id).with("value", value));
            cell.push(siblings.fold(Element::new("distances"), Element::and));
        }
        numa.push(cell);
    }
    if !numa.is_empty() {
        cpu.push(numa);
    }
}
