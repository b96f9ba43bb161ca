//! In which pieces the free memory lies. Source: `/proc/buddyinfo`, `proc(5)`.

use super::Root;
use crate::unit::Size;
use serde::{Deserialize, Serialize};

/// The free memory of one zone of a NUMA node, by the size of its pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeBlocks {
    /// NUMA node.
    pub node: u32,
    /// The kernel's name of the zone, like `Normal`.
    pub zone: String,
    /// Number of pieces of 4 KiB, of 8 KiB, and so on.
    pub blocks: Vec<u64>,
}

/// Size of the smallest piece; `PAGE_SIZE` of x86-64.
const PAGE: u64 = 4 << 10;

impl FreeBlocks {
    /// Huge pages of `size` that can be cut from the pieces as they lie. Where a page is larger than the largest piece,
    /// those that would have room if all the largest ones lay next to each other: the most that can be hoped for.
    #[must_use]
    pub fn holds(&self, size: Size) -> u64 {
        let piece = |order: usize| PAGE.checked_shl(u32::try_from(order).ok()?);
        let all = self.blocks.iter().enumerate().filter_map(|(order, count)| Some((piece(order)?, *count)));
        let largest = all.clone().map(|(bytes, _)| bytes).max().unwrap_or(0);
        let least = size.bytes().min(largest);
        let fitting = all.filter(|(bytes, _)| *bytes >= least && least > 0);
        fitting.map(|(bytes, count)| bytes.saturating_mul(count)).fold(0, u64::saturating_add) / size.bytes().max(1)
    }
}

/// The zones in the kernel's order; none where it does not tell.
pub(super) fn read(root: &Root) -> Vec<FreeBlocks> {
    let text = root.text("/proc/buddyinfo").unwrap_or_default();
    text.lines().filter_map(zone).collect()
}

/// `Node 0, zone   Normal  16141   8025 …`
fn zone(line: &str) -> Option<FreeBlocks> {
    let (node, rest) = line.strip_prefix("Node ")?.split_once(", zone")?;
    let mut words = rest.split_ascii_whitespace();
    let zone = words.next()?.to_owned();
    let blocks = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(FreeBlocks { node: node.trim().parse().ok()?, zone, blocks })
}

#[cfg(test)]
mod test {
    use super::{FreeBlocks, read};
    use crate::host::tree::lay_out;
    use crate::unit::Size;

    const BUDDYINFO: &str = "Node 0, zone    DMA32    351    281    178     64   1554    310     43     23      6      7    383 \n\
                             Node 1, zone   Normal  16141   8025   1499   1401   1328   1631   1095    792    360    143    366 \n\
                             Node 1, zone   broken\u{20}x\n";

    #[test]
    fn zones_are_read_with_their_pieces() {
        let zones = read(&lay_out(&[("/proc/buddyinfo", BUDDYINFO)]).root);
        let names: Vec<_> = zones.iter().map(|zone| (zone.node, zone.zone.as_str(), zone.blocks.len())).collect();
        assert_eq!(names, [(0, "DMA32", 11), (1, "Normal", 11)]);
        assert_eq!(read(&lay_out(&[]).root), []);
    }

    #[test]
    fn pages_are_cut_from_pieces_that_are_as_large_and_hoped_for_in_the_largest() {
        let zones = read(&lay_out(&[("/proc/buddyinfo", BUDDYINFO)]).root);
        assert_eq!(zones[0].holds(Size::from_bytes(2 << 20)), 7 + 2 * 383);
        assert_eq!(zones[1].holds(Size::from_bytes(1 << 30)), 1);
        let none = FreeBlocks { node: 0, zone: "Normal".into(), blocks: Vec::new() };
        assert_eq!(none.holds(Size::from_bytes(2 << 20)), 0);
    }
}
