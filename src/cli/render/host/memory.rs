//! `vmrun host memory`: memory by node, the pools of huge pages, and how many more could be made.

use super::page::{CARE, FAINT, PLAIN, Page};
use crate::host::{Host, Node, Pool};
use crate::unit::Size;
use serde_json::{Value, json};

/// The page for people.
pub(in crate::cli) fn text(host: &Host, width: usize) -> String {
    let mut page = Page::new(width);
    write(host, &mut page);
    page.finish()
}

fn write(host: &Host, page: &mut Page) {
    let available = host.memory_available.map_or(String::new(), |size| format!(", {} available", rounded(size)));
    page.head(&format!("memory {}{available}", total(host)));
    for node in &host.nodes {
        page.gap();
        let free = node.free.map_or(String::new(), |free| format!(", {} free", rounded(free)));
        let size = node.memory.map_or("size not known".to_owned(), rounded);
        page.head(&format!("node {}: {size}{free}", node.id));
        if node.pools.is_empty() {
            page.row(2, "pools", PLAIN, "none: this kernel has no huge pages");
        }
        for pool in &node.pools {
            describe(node, pool, page);
        }
    }
    page.gap();
    kernel(host, page);
}

fn describe(node: &Node, pool: &Pool, page: &mut Page) {
    let used = pool.total.saturating_sub(pool.free);
    let whole = Size::from_bytes(pool.total.saturating_mul(pool.size.bytes()));
    let there = match pool.total {
        0 => "none in the pool".to_owned(),
        total => format!("{total} in the pool ({}), {} free, {used} in use", rounded(whole), pool.free),
    };
    page.row(2, &pool.size.to_string(), PLAIN, &there);
    if let Some(forecast) = Forecast::of(node, pool.size) {
        page.row(2, "", FAINT, &forecast.tell(pool.size));
    }
}

/// How many more huge pages of one size a node could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forecast {
    /// Without moving anything.
    now: u64,
    /// If the kernel put together all that is free, and dropped all that it can.
    most: u64,
}

impl Forecast {
    /// From the free blocks of the node: block number n counts blocks of 2ⁿ pages of 4 KiB.
    fn of(node: &Node, size: Size) -> Option<Self> {
        let page = (size.bytes() >> 12).max(1);
        let largest = node.blocks.len().checked_sub(1)?;
        // Of a page larger than the largest block nobody tells how the blocks lie; this is as many as there can be.
        let smallest = page.next_power_of_two().min(1 << largest);
        let blocks = node.blocks.iter().enumerate().filter(|(order, _)| 1 << order >= smallest);
        let now = blocks.map(|(order, count)| count << order).sum::<u64>() / page;
        let could =
            [node.free, node.reclaimable].into_iter().flatten().map(Size::bytes).sum::<u64>() / size.bytes().max(1);
        Some(Self { now, most: could.max(now) })
    }

    fn tell(self, size: Size) -> String {
        let bytes = |pages: u64| rounded(Size::from_bytes(pages.saturating_mul(size.bytes())));
        let Self { now, most } = self;
        if size.bytes() >= 1 << 30 {
            // Each needs its whole size in one piece and in place, and the chance falls with every hour since the boot.
            return match now {
                0 => "no more before the next boot: no free memory in one piece is in sight".to_owned(),
                _ => format!("{now} more at the very most; certain only at boot, by hugepagesz=1G hugepages=N"),
            };
        }
        match most > now {
            true => format!(
                "{now} more can be had at once ({}), up to {most} after the kernel has moved and dropped what it can",
                bytes(now)
            ),
            false => format!("{now} more can be had at once ({})", bytes(now)),
        }
    }
}

fn kernel(host: &Host, page: &mut Page) {
    match &host.transparent_huge {
        Some(thp) => {
            let defrag = format!("{}, defrag {}, for shared memory {}", thp.enabled, thp.defrag, thp.shared);
            let style = if thp.enabled == "never" { CARE } else { PLAIN };
            page.row(2, "THP", style, &format!("transparent huge pages: {defrag}"));
        }
        None => page.row(2, "THP", PLAIN, "this kernel has no transparent huge pages"),
    }
    if let Some(locked) = host.locked_memory {
        let most = locked.most.map_or("no limit".to_owned(), rounded);
        let (style, and) = match (locked.most, locked.raise || locked.exempt) {
            (Some(_), true) => (PLAIN, "; vmrun may go beyond"),
            (Some(_), false) => (CARE, "; a guest with a passed device locks all of its memory"),
            (None, _) => (PLAIN, ""),
        };
        page.row(2, "locked", style, &format!("limit of locked memory: {most}{and}"));
    }
}

/// All memory of the host, of which the nodes of a virtual machine may tell less than the kernel.
pub(super) fn total(host: &Host) -> String {
    let nodes: u64 = host.nodes.iter().filter_map(|node| node.memory).map(Size::bytes).sum();
    let nodes = Some(Size::from_bytes(nodes)).filter(|size| size.bytes() > 0);
    host.memory_total.or(nodes).map_or("size not known".to_owned(), rounded)
}

/// A size in the largest unit, with one digit after the point where it is not even.
pub(super) fn rounded(size: Size) -> String {
    let bytes = size.bytes();
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >> shift > 0 {
            let tenths = ((bytes >> (shift - 10)) * 10) >> 10;
            return match tenths % 10 {
                0 => format!("{} {unit}", tenths / 10),
                tenth => format!("{}.{tenth} {unit}", tenths / 10),
            };
        }
    }
    format!("{bytes} B")
}

/// The same for programs.
pub(in crate::cli) fn json(host: &Host) -> Value {
    let nodes = host.nodes.iter().map(|node| {
        let forecast = node.pools.iter().map(|pool| {
            let forecast = Forecast::of(node, pool.size);
            json!({"size": pool.size, "now": forecast.map(|it| it.now), "most": forecast.map(|it| it.most)})
        });
        json!({"node": node, "forecast": forecast.collect::<Vec<_>>()})
    });
    json!({
        "total": host.memory_total,
        "available": host.memory_available,
        "nodes": nodes.collect::<Vec<_>>(),
        "transparent_huge": host.transparent_huge,
        "locked_memory": host.locked_memory,
    })
}

#[cfg(test)]
mod test {
    use super::{Forecast, rounded, total};
    use crate::host::{Host, Node};
    use crate::unit::Size;

    /// Free blocks by order, of 4 KiB to 4 MiB.
    fn node(blocks: [u64; 11]) -> Node {
        Node { blocks: blocks.to_vec(), ..Node::default() }
    }

    #[test]
    fn what_the_kernel_could_drop_counts_for_later() {
        let size = |text: &str| text.parse::<Size>().ok();
        let node = Node { free: size("16M"), reclaimable: size("1G"), ..node([0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0]) };
        assert_eq!(Forecast::of(&node, "2M".parse().unwrap()), Some(Forecast { now: 3, most: 520 }));
    }

    fn forecast(blocks: [u64; 11], size: &str) -> Option<(u64, u64)> {
        Forecast::of(&node(blocks), size.parse().unwrap()).map(|forecast| (forecast.now, forecast.most))
    }

    #[test]
    fn pages_come_from_blocks_that_are_large_enough() {
        assert_eq!(forecast([0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 5], "2M"), Some((13, 13)));
        assert_eq!(forecast([1024, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0], "2M"), Some((0, 0)));
    }

    #[test]
    fn a_gibibyte_needs_as_much_in_the_largest_blocks() {
        assert_eq!(forecast([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 511], "1G"), Some((1, 1)));
        assert_eq!(forecast([0, 0, 0, 0, 0, 0, 0, 0, 0, 1024, 255], "1G"), Some((0, 0)));
    }

    #[test]
    fn a_kernel_that_shows_no_blocks_leaves_it_open() {
        assert_eq!(Forecast::of(&Node::default(), "2M".parse().unwrap()), None);
    }

    #[test]
    fn all_memory_is_what_the_kernel_says_else_what_its_nodes_have() {
        let size = |text: &str| text.parse::<Size>().ok();
        let mut host = Host::default();
        assert_eq!(total(&host), "size not known");
        host.nodes = vec![Node { memory: size("16G"), ..Node::default() }, Node::default()];
        assert_eq!(total(&host), "16 GiB");
        host.memory_total = size("24G");
        assert_eq!(total(&host), "24 GiB");
    }

    #[test]
    fn sizes_have_one_digit_after_the_point() {
        let text = |bytes| rounded(Size::from_bytes(bytes));
        assert_eq!(text(32 << 30), "32 GiB");
        assert_eq!(text((31 << 30) + (512 << 20)), "31.5 GiB");
        assert_eq!(text(640), "640 B");
    }
}
