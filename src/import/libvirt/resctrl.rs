//! `<cachetune>` and `<memorytune>`: the guest's share of what all cores have together.
//!
//! libvirt deals out by the number of a cache, and to some vCPUs; a profile gives the whole guest the same of each L3 cache that
//! its host CPUs have.

use super::Domain;
use super::memory::amount;
use crate::import::xml::Element;
use crate::unit::Size;
use std::collections::BTreeMap;

pub(super) fn import(tune: &Element, domain: &mut Domain) {
    cache(tune, domain);
    bandwidth(tune, domain);
}

fn cache(tune: &Element, domain: &mut Domain) {
    let groups: Vec<&Element> = tune.all("cachetune").filter(|group| deals(group, "cache")).collect();
    let mut of_caches: BTreeMap<u64, Parts> = BTreeMap::new();
    for cache in groups.iter().flat_map(|group| group.all("cache")) {
        let (id, level, kind) = (cache.number("id"), cache.number("level"), cache.attr("type").unwrap_or_default());
        match id.zip(amount(cache, "size", "unit")).filter(|_| level == Some(3)) {
            Some((id, bytes)) => of_caches.entry(id).or_default().add(kind, bytes),
            None => cache.lost("vmrun deals out caches of the third level, by their size"),
        }
    }
    let sizes: Vec<Option<u64>> = of_caches.values().map(Parts::whole).collect();
    let Some(first) = sizes.first() else { return };
    match first.filter(|_| sizes.iter().all(|size| size == first)) {
        Some(bytes) => {
            domain.page.table("tune").set("l3_cache", Size::from_bytes(bytes).to_string());
            for group in groups {
                group.translated("l3_cache in [tune]: of each L3 cache of its host CPUs, for the whole guest");
            }
        }
        None => groups.iter().for_each(|group| {
            group.lost("a profile has one l3_cache in [tune], for data and code alike, of each L3 cache");
        }),
    }
}

fn bandwidth(tune: &Element, domain: &mut Domain) {
    let groups: Vec<&Element> = tune.all("memorytune").filter(|group| deals(group, "node")).collect();
    let nodes = groups.iter().flat_map(|group| group.all("node"));
    let percents: Vec<Option<i64>> = nodes.map(percent).collect();
    let Some(first) = percents.first() else { return };
    match first.filter(|_| percents.iter().all(|percent| percent == first)) {
        Some(percent) => {
            domain.page.table("tune").set("memory_bandwidth", percent);
            for group in groups {
                group.translated(
                    "memory_bandwidth in [tune]: behind each L3 cache of its host CPUs, for the whole guest",
                );
            }
        }
        None => groups.iter().for_each(|group| group.lost("a profile has one memory_bandwidth in [tune], in percent")),
    }
}

fn percent(node: &Element) -> Option<i64> {
    node.attr("id");
    node.number("bandwidth")
        .and_then(|percent| i64::try_from(percent).ok())
        .filter(|percent| (1..=100).contains(percent))
}

/// Whether `group` deals out something, each in an element `name`; a group may also only count what is used.
fn deals(group: &Element, name: &str) -> bool {
    group.attr("vcpus");
    group.all("monitor").for_each(|monitor| monitor.lost("vmrun does not count who uses caches and bandwidth"));
    group.child(name).is_some()
}

/// What a guest has of one cache, in bytes.
#[derive(Default)]
struct Parts {
    both: u64,
    code: u64,
    data: u64,
    other: bool,
}

impl Parts {
    /// Adds to what other vCPUs have: a group's ways are its own.
    fn add(&mut self, kind: &str, bytes: u64) {
        let part = match kind {
            "both" => &mut self.both,
            "code" => &mut self.code,
            "data" => &mut self.data,
            _ => return self.other = true,
        };
        *part = part.saturating_add(bytes);
    }

    /// The one size of it, where code and data have the same.
    fn whole(&self) -> Option<u64> {
        let bytes = self.both.checked_add(self.code)?;
        (self.code == self.data && !self.other && bytes > 0).then_some(bytes)
    }
}
