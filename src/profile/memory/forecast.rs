//! Whether the pages that a pool lacks can be made now, told before anything else is touched.

use super::hugepages::PAGE_1G;
use super::part::Part;
use crate::host::Host;
use crate::plan::{Class, Draft, Problem};
use crate::unit::Size;
use std::collections::BTreeMap;

const AT: &str = "memory.hugepages";

/// The zone for devices that reach no further than 16 MiB; the kernel keeps it for them.
const DMA: &str = "DMA";

/// Pages of `page` that the free memory of `node` can be cut into now; `None` when the kernel does not tell.
pub(super) fn can_be_made(page: Size, node: u32, host: &Host) -> Option<u64> {
    let of_node = host.free_blocks.iter().filter(|zone| zone.node == node && zone.zone != DMA);
    (!host.free_blocks.is_empty()).then(|| of_node.map(|zone| zone.holds(page)).sum())
}

/// Why the pages that are `missing` on the nodes cannot be made, as far as that is certain before it is tried.
pub(super) fn hopeless(page: Size, missing: &BTreeMap<u32, u64>, host: &Host) -> Option<Hopeless> {
    let (node, pages) = missing.iter().find(|(_, pages)| **pages > 0)?;
    if host.euid != 0 {
        return Some(Hopeless::Rights { pages: *pages, node: *node });
    }
    // Smaller ones the kernel can make by moving others together. For these it would have to empty a whole gigabyte.
    let lacking = |(node, pages): (&u32, &u64)| {
        let made = can_be_made(page, *node, host).filter(|made| made < pages)?;
        Some(Hopeless::Scattered { pages: *pages, made, node: *node })
    };
    (page == PAGE_1G).then(|| missing.iter().find_map(lacking)).flatten()
}

/// A reason that is certain.
pub(super) enum Hopeless {
    /// Only root adds pages.
    Rights { pages: u64, node: u32 },
    /// The free memory lies in too small pieces.
    Scattered { pages: u64, made: u64, node: u32 },
}

impl Hopeless {
    /// As a refusal, for a guest of `parts`.
    pub(super) fn refusal(&self, page: Size, parts: &[Part]) -> Problem {
        match self {
            Self::Rights { pages, node } => {
                let what =
                    format!("{pages} more pages of {page} are needed on node {node}, and only root can add them");
                Problem::new(Class::Denied, AT, what).fix(format!(
                    "run vmrun with sudo\nor as root, ahead: echo $(( $(cat {file}) + {pages} )) > {file}",
                    file = file(page, *node)
                ))
            }
            Self::Scattered { pages, made, node } => {
                let what = format!(
                    "{pages} more pages of {page} are needed on node {node}, and at most {made} can be made now"
                );
                Problem::new(Class::Impossible, AT, what)
                    .why(BOOT_TIME)
                    .fix(format!("{}   # on the kernel command line\nor hugepages = \"2M\"", arguments(page, parts)))
            }
        }
    }
}

const BOOT_TIME: &str = "a page of 1G is one piece of memory, which a kernel that has run for a while hardly has: it needs \
                         boot time";

/// Warns of pages that the kernel may fail to make.
///
/// With a `fallback` there is one remedy less to name.
pub(super) fn warn(
    page: Size,
    missing: &BTreeMap<u32, u64>,
    (parts, fallback): (&[Part], bool),
    host: &Host,
    draft: &mut Draft,
) {
    for (node, pages) in missing.iter().filter(|(_, pages)| **pages > 0) {
        let Some(made) = can_be_made(page, *node, host) else { continue };
        if page == PAGE_1G {
            let what =
                format!("{pages} more pages of {page} are needed on node {node}, and {made} can be made at most");
            draft.warn(
                Problem::new(Class::Impossible, AT, what)
                    .why(BOOT_TIME)
                    .fix(format!("{}   # on the kernel command line", arguments(page, parts))),
            );
        } else if made < *pages {
            let what =
                format!("{pages} more pages of {page} are needed on node {node}, and {made} can be made at once");
            draft.warn(
                Problem::new(Class::Impossible, AT, what)
                    .why("the other free memory is scattered; the kernel must move it together, which takes time and may fail")
                    .fix(if fallback {
                        "start the guest soon after the host"
                    } else {
                        "start the guest soon after the host\nor fallback = \"thp\"   # for when it fails"
                    }),
            );
        }
    }
}

/// The kernel's arguments that make the pages for `parts` when it starts. Linux:
/// `Documentation/admin-guide/kernel-parameters.txt`; nodes since 5.16.
fn arguments(page: Size, parts: &[Part]) -> String {
    let pages = |part: &Part| part.size.bytes() / page.bytes();
    let mut nodes: BTreeMap<u32, u64> = BTreeMap::new();
    for part in parts {
        if let Some(node) = part.bind.as_ref().and_then(|bind| bind.nodes.first()) {
            *nodes.entry(*node).or_default() += pages(part);
        }
    }
    let count = if nodes.is_empty() || parts.iter().any(|part| part.bind.is_none()) {
        parts.iter().map(pages).sum::<u64>().to_string()
    } else {
        nodes.iter().map(|(node, pages)| format!("{node}:{pages}")).collect::<Vec<_>>().join(",")
    };
    format!("hugepagesz={page} hugepages={count}")
}

fn file(page: Size, node: u32) -> String {
    format!("/sys/devices/system/node/node{node}/hugepages/hugepages-{}kB/nr_hugepages", page.bytes() >> 10)
}
