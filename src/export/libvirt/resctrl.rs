//! `<cachetune>` and `<memorytune>`: the guest's share of caches and of the memory's bandwidth.

use super::Source;
use crate::export::xml::Element;
use crate::plan::{Change, Grant};

/// Adds what the plan grants, by the kernel's numbers of the caches.
pub(super) fn write(source: &Source<'_>, tune: &mut Element) {
    let shares = source.contents.changes.iter().filter_map(|change| match change {
        Change::Share { grants, .. } => Some(grants),
        _ => None,
    });
    let (limits, ways): (Vec<&Grant>, Vec<&Grant>) = shares.flatten().partition(|grant| grant.resource == "MB");
    let caches: Vec<Element> = ways.into_iter().filter_map(|grant| cache(source, grant)).collect();
    let nodes: Vec<Element> = limits.into_iter().map(|grant| node(source, grant)).collect();
    for (name, parts) in [("cachetune", caches), ("memorytune", nodes)] {
        if !parts.is_empty() {
            let group = Element::new(name).with("vcpus", vcpus(source.contents.vcpus));
            tune.push(parts.into_iter().fold(group, Element::and));
        }
    }
}

/// A part of the size that the profile has: the plan has its ways, and not how large they are.
fn cache(source: &Source<'_>, grant: &Grant) -> Option<Element> {
    let bytes = source.document.bytes("tune.l3_cache")?;
    let kind = match grant.resource.as_str() {
        "L3CODE" => "code",
        "L3DATA" => "data",
        _ => "both",
    };
    let cache = Element::new("cache").with("id", grant.domain).with("level", 3).with("type", kind);
    Some(cache.with("size", bytes).with("unit", "B"))
}

/// A part in the steps that the processor takes: libvirt refuses those between.
fn node(source: &Source<'_>, grant: &Grant) -> Element {
    source.document.settle("tune.memory_bandwidth");
    Element::new("node").with("id", grant.domain).with("bandwidth", &grant.share)
}

/// All `count` vCPUs, as a set.
fn vcpus(count: u32) -> String {
    match count {
        0 | 1 => "0".to_owned(),
        more => format!("0-{}", more - 1),
    }
}
