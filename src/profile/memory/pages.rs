//! Huge pages: which size, how many are missing, on which node.

use super::Memory;
use super::forecast::{can_be_made, hopeless, warn};
use super::hugepages::{Hugepages, PAGE_1G, PAGE_2M};
use super::judge::{judge_available, judge_multiple};
use super::part::Part;
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
pub(super) fn choose(
    wanted: Hugepages,
    fallback: Option<Hugepages>,
    parts: &[Part],
    host: &Host,
) -> (Pages, &'static str) {
    match (wanted, fallback) {
        (Hugepages::Off, _) => (Pages::Small, ""),
        (Hugepages::Thp, _) => (Pages::Thp, ""),
        (Hugepages::Pool(page), Some(fallback)) if out_of_reach(parts, page, host) => {
            (choose(fallback, None, parts, host).0, "fallback: this host cannot give the pages that hugepages asks for")
        }
        (Hugepages::Pool(page), _) => (Pages::Huge(page), ""),
        // The kernel can hardly make pages of 1 GiB once it has run for a while, so only those that are there count.
        (Hugepages::Auto, _) if missing(parts, PAGE_1G, host) == Some(0) => {
            (Pages::Huge(PAGE_1G), "auto: enough pages of 1G are free, the largest this host has")
        }
        (Hugepages::Auto, _) if missing(parts, PAGE_2M, host).is_some() && !out_of_reach(parts, PAGE_2M, host) => {
            (Pages::Huge(PAGE_2M), "auto: too few pages of 1G are free, and the host has memory for pages of 2M")
        }
        (Hugepages::Auto, _) => {
            (Pages::Thp, "auto: no pool can hold the guest; the kernel takes huge pages where it has them")
        }
    }
}

/// Whether it is certain that the pools cannot hold `parts`. A part that is no whole number of pages is another matter.
fn out_of_reach(parts: &[Part], page: Size, host: &Host) -> bool {
    if !parts.iter().all(|part| is_whole(part, page)) {
        return false;
    }
    let Some(needs) = needs(parts, page, host) else { return true };
    let lacking = lacking(&needs);
    let bytes = lacking.values().sum::<u64>().saturating_mul(page.bytes());
    hopeless(page, &lacking, host).is_some() || host.memory_available.is_some_and(|available| bytes > available.bytes())
}

/// Why the fallback is used for pages that are out of reach.
pub(super) fn why_not(page: Size, parts: &[Part], host: &Host) -> Problem {
    let Some(needs) = needs(parts, page, host) else { return no_pool(page).fix("") };
    let lacking = lacking(&needs);
    match hopeless(page, &lacking, host) {
        Some(reason) => reason.refusal(page, parts),
        None => Problem::new(
            Class::Impossible,
            "memory.hugepages",
            format!("{} more pages of {page} are needed, and less memory is free", lacking.values().sum::<u64>()),
        ),
    }
    .why("memory.fallback is used")
}

fn is_whole(part: &Part, page: Size) -> bool {
    part.size.bytes() > 0 && part.size.bytes().is_multiple_of(page.bytes())
}

/// Pages of `page` that the pools lack; `None` when a part is no whole number of them, or has no pool.
fn missing(parts: &[Part], page: Size, host: &Host) -> Option<u64> {
    let whole = parts.iter().all(|part| is_whole(part, page));
    whole.then(|| needs(parts, page, host).map(|needs| lacking(&needs).values().sum())).flatten()
}

/// Drafts the pages that the guest takes from the pools, and those that are missing there; notes a problem when the
/// host cannot give them.
pub(super) fn draft(parts: &[Part], total: Size, page: Size, memory: &Memory, host: &Host, draft: &mut Draft) {
    let whole: Vec<bool> = parts.iter().map(|part| judge_multiple(part, page, draft)).collect();
    if whole.contains(&false) {
        return;
    }
    let Some(needs) = needs(parts, page, host) else {
        draft.refuse(no_pool(page));
        return;
    };
    let lacking = lacking(&needs);
    let pages: u64 = lacking.values().sum();
    if pages > 0 {
        judge_available(Size::from_bytes(pages.saturating_mul(page.bytes())), total, host, draft);
    }
    match hopeless(page, &lacking, host) {
        Some(reason) => draft.refuse(reason.refusal(page, parts)),
        None => warn(page, &lacking, (parts, memory.fallback.is_some()), host, draft),
    }
    let changes = needs.into_iter().filter(|(_, need)| need.take > 0).map(|(node, need)| Change::HugePages {
        node,
        size: page,
        pages: i64::try_from(need.missing).unwrap_or(i64::MAX),
        take: need.take,
        drop_caches: memory.drop_caches,
    });
    draft.contents.changes.extend(changes);
}

/// What the guest needs of one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    /// Its pages.
    take: u64,
    /// Of them, those that must be added.
    missing: u64,
}

fn lacking(needs: &BTreeMap<u32, Need>) -> BTreeMap<u32, u64> {
    needs.iter().map(|(node, need)| (*node, need.missing)).collect()
}

/// Pages of `page` to take on each node. Parts bound to nodes are served first, from their own pools; what is missing
/// is added where most can be made. `None` when a part has no pool to take from.
fn needs(parts: &[Part], page: Size, host: &Host) -> Option<BTreeMap<u32, Need>> {
    let free_of = |node: &Node| node.pools.iter().find(|pool| pool.size == page).map(|pool| (node.id, pool.free));
    let mut free: BTreeMap<u32, u64> = host.nodes.iter().filter_map(free_of).collect();
    let mut needs: BTreeMap<u32, Need> = BTreeMap::new();
    let (bound, loose): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.bind.is_some());
    for part in bound.into_iter().chain(loose) {
        let mut needed = part.size.bytes() / page.bytes();
        let anywhere: Vec<u32> = free.keys().copied().collect();
        let nodes = part.bind.as_ref().map_or(&anywhere, |bind| &bind.nodes);
        let pools: Vec<u32> = nodes.iter().copied().filter(|node| free.contains_key(node)).collect();
        let made = |node: &u32| can_be_made(page, *node, host).unwrap_or(0);
        let best = pools.iter().copied().rev().max_by_key(made)?;
        for node in pools {
            let left = free.entry(node).or_default();
            let taken = needed.min(*left);
            *left -= taken;
            needed -= taken;
            needs.entry(node).or_default().take += taken;
        }
        let need = needs.entry(best).or_default();
        need.take += needed;
        need.missing += needed;
    }
    Some(needs)
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
    use super::{Need, lacking, needs};
    use crate::host::{FreeBlocks, Host, Node, Pool};
    use crate::unit::Size;

    const M2: Size = Size::from_bytes(2 << 20);

    fn host(free: &[u64]) -> Host {
        let nodes = (0..).zip(free).map(|(id, free)| Node {
            id,
            cpus: [id].into_iter().collect(),
            pools: vec![Pool { size: M2, total: *free, free: *free }],
            ..Node::default()
        });
        Host { nodes: nodes.collect(), ..Host::default() }
    }

    fn part(pages: u64, node: Option<u32>) -> Part {
        let bind = node.map(|node| Bind { nodes: vec![node], policy: Policy::Bind, by_pins: false });
        Part { at: "memory.size".into(), size: Size::from_bytes(pages * M2.bytes()), bind }
    }

    fn missing(parts: &[Part], free: &[u64]) -> Vec<(u32, u64)> {
        lacking(&needs(parts, M2, &host(free)).unwrap()).into_iter().filter(|(_, pages)| *pages > 0).collect()
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
        assert_eq!(needs(&[part(1, Some(2))], M2, &host(&[9])), None);
    }

    #[test]
    fn pages_are_added_where_most_can_be_made() {
        let zone =
            |node, count| FreeBlocks { node, zone: "Normal".into(), blocks: vec![0, 0, 0, 0, 0, 0, 0, 0, 0, count] };
        let host = Host { free_blocks: vec![zone(0, 5), zone(1, 50)], ..host(&[4, 3]) };
        let found = needs(&[part(10, None)], M2, &host).unwrap();
        let (first, second) = (Need { take: 4, missing: 0 }, Need { take: 6, missing: 3 });
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(0, first), (1, second)]);
    }
}
