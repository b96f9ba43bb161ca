//! Huge pages: which size, how many are missing, on which node.

use super::hugepages::{Hugepages, PAGE_1G, PAGE_2M};
use super::part::Part;
use super::{judge_available, judge_multiple};
use crate::host::{Host, Node};
use crate::plan::{Change, Class, Draft, Problem};
use crate::unit::Size;
use std::collections::BTreeMap;

/// The pages that memory is made of, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pages {
    Small,
    Thp,
    Huge(Size),
}

/// Pages that `wanted` means for `parts` on `host`, and why when vmrun chose them.
pub(super) fn choose(wanted: Hugepages, parts: &[Part], host: &Host) -> (Pages, &'static str) {
    match wanted {
        Hugepages::Off => (Pages::Small, ""),
        Hugepages::Thp => (Pages::Thp, ""),
        Hugepages::Pool(size) => (Pages::Huge(size), ""),
        // The kernel can hardly make pages of 1 GiB once it has run for a while, so only those that are there count.
        Hugepages::Auto if missing(parts, PAGE_1G, host) == Some(0) => {
            (Pages::Huge(PAGE_1G), "auto: enough pages of 1G are free, the largest this host has")
        }
        Hugepages::Auto if can_be_made(parts, host) => {
            (Pages::Huge(PAGE_2M), "auto: too few pages of 1G are free, and the host has memory for pages of 2M")
        }
        Hugepages::Auto => {
            (Pages::Thp, "auto: no pool can hold the guest; the kernel takes huge pages where it has them")
        }
    }
}

fn can_be_made(parts: &[Part], host: &Host) -> bool {
    let bytes = missing(parts, PAGE_2M, host).and_then(|pages| pages.checked_mul(PAGE_2M.bytes()));
    bytes.is_some_and(|bytes| host.memory_available.is_none_or(|available| bytes <= available.bytes()))
}

/// Pages of `page` that the pools lack; `None` when a part is no whole number of them, or has no pool.
fn missing(parts: &[Part], page: Size, host: &Host) -> Option<u64> {
    let whole = parts.iter().all(|part| part.size.bytes() > 0 && part.size.bytes().is_multiple_of(page.bytes()));
    whole.then(|| shortfall(parts, page, host).map(|nodes| nodes.values().sum())).flatten()
}

/// Drafts the pages that are missing in the pools; notes a problem when the host cannot give them.
pub(super) fn draft(parts: &[Part], total: Size, page: Size, host: &Host, draft: &mut Draft) {
    let whole: Vec<bool> = parts.iter().map(|part| judge_multiple(part, page, draft)).collect();
    if whole.contains(&false) {
        return;
    }
    let Some(missing) = shortfall(parts, page, host) else {
        draft.refuse(no_pool(page));
        return;
    };
    let pages: u64 = missing.values().sum();
    if pages > 0 {
        judge_available(Size::from_bytes(pages.saturating_mul(page.bytes())), total, host, draft);
    }
    let changes = missing.into_iter().filter(|(_, pages)| *pages > 0).map(|(node, pages)| Change::HugePages {
        node,
        size: page,
        pages: i64::try_from(pages).unwrap_or(i64::MAX),
    });
    draft.contents.changes.extend(changes);
}

/// Pages of `page` to add on each node. Parts bound to nodes are served first, from their own pools. `None` when a part
/// has no pool to take from.
fn shortfall(parts: &[Part], page: Size, host: &Host) -> Option<BTreeMap<u32, u64>> {
    let free_of = |node: &Node| node.pools.iter().find(|pool| pool.size == page).map(|pool| (node.id, pool.free));
    let mut free: BTreeMap<u32, u64> = host.nodes.iter().filter_map(free_of).collect();
    let mut missing = BTreeMap::new();
    let (bound, loose): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.bind.is_some());
    for part in bound.into_iter().chain(loose) {
        let mut needed = part.size.bytes() / page.bytes();
        let anywhere: Vec<u32> = free.keys().copied().collect();
        let nodes = part.bind.as_ref().map_or(&anywhere, |bind| &bind.nodes);
        let first = *nodes.iter().find(|node| free.contains_key(node))?;
        for pool in nodes.iter().filter_map(|node| free.remove(node).map(|pages| (*node, pages))).collect::<Vec<_>>() {
            let taken = needed.min(pool.1);
            needed -= taken;
            free.insert(pool.0, pool.1 - taken);
        }
        *missing.entry(first).or_default() += needed;
    }
    Some(missing)
}

fn no_pool(page: Size) -> Problem {
    let why = if page == PAGE_1G {
        "the host CPU lacks pdpe1gb, or the kernel has no hugetlbfs"
    } else {
        "the kernel has no hugetlbfs"
    };
    Problem::new(Class::Impossible, "memory.hugepages", format!("this host has no pool of {page} pages"))
        .why(why)
        .fix(if page == PAGE_1G { "hugepages = \"2M\"" } else { "hugepages = false" })
}

#[cfg(test)]
mod test {
    use super::super::part::{Bind, Part, Policy};
    use super::shortfall;
    use crate::host::{Host, Node, Pool};
    use crate::unit::Size;

    const M2: Size = Size::from_bytes(2 << 20);

    fn host(free: &[u64]) -> Host {
        let nodes = (0..).zip(free).map(|(id, free)| Node {
            id,
            cpus: [id].into_iter().collect(),
            pools: vec![Pool { size: M2, total: *free, free: *free }],
        });
        Host { nodes: nodes.collect(), ..Host::default() }
    }

    fn part(pages: u64, node: Option<u32>) -> Part {
        let bind = node.map(|node| Bind { nodes: vec![node], policy: Policy::Bind });
        Part { at: "memory.size".into(), size: Size::from_bytes(pages * M2.bytes()), bind }
    }

    fn missing(parts: &[Part], free: &[u64]) -> Vec<(u32, u64)> {
        shortfall(parts, M2, &host(free)).unwrap().into_iter().filter(|(_, pages)| *pages > 0).collect()
    }

    #[test]
    fn two_parts_on_one_node_share_its_free_pages() {
        assert_eq!(missing(&[part(10, Some(1)), part(10, Some(1))], &[100, 12]), [(1, 8)]);
    }

    #[test]
    fn a_loose_part_takes_what_bound_ones_leave() {
        assert_eq!(missing(&[part(10, None), part(10, Some(0))], &[12, 5]), [(0, 3)]);
    }

    #[test]
    fn a_node_without_a_pool_is_noticed() {
        assert_eq!(shortfall(&[part(1, Some(2))], M2, &host(&[9])), None);
    }
}
