//! Base address registers: the windows of a function in memory.

use super::super::Root;
use crate::unit::Size;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Not;

/// Lines of `resource` that are base address registers; the next one is the expansion ROM.
const BARS: usize = 6;

/// Flags of a resource; Linux: `include/linux/ioport.h`.
const IORESOURCE_IO: u64 = 0x100;
const IORESOURCE_MEM: u64 = 0x200;
const IORESOURCE_PREFETCH: u64 = 0x2000;
const IORESOURCE_MEM_64: u64 = 0x0010_0000;

/// A base address register that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// Its number, 0 to 5.
    pub index: u8,
    /// Size of its window.
    pub size: Size,
    /// Whether reads of it have no effect, so that a bridge may fetch ahead.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub prefetchable: bool,
    /// Whether it holds 64 bits, and so can lie above 4 GiB.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub wide: bool,
    /// Whether it is a window of I/O ports, not of memory.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub io: bool,
}

/// The registers in use and the size of the ROM's window, from the file `resource` in `folder`.
pub(super) fn read(root: &Root, folder: &str) -> (Vec<Bar>, Option<Size>) {
    let text = root.text(format!("{folder}/resource")).unwrap_or_default();
    let windows: Vec<_> = text.lines().map(window).take(BARS + 1).collect();
    let bars = (0u8..).zip(&windows).take(BARS).filter_map(|(index, window)| {
        let (size, flags) = (*window)?;
        Some(Bar {
            index,
            size,
            prefetchable: flags & IORESOURCE_PREFETCH != 0,
            wide: flags & IORESOURCE_MEM_64 != 0,
            io: flags & IORESOURCE_IO != 0,
        })
    });
    let rom = windows.get(BARS).copied().flatten().map(|(size, _)| size);
    (bars.collect(), rom)
}

/// Size and flags on a line `start end flags`; `None` for a window that is not there.
fn window(line: &str) -> Option<(Size, u64)> {
    let mut numbers =
        line.split_ascii_whitespace().map(|number| u64::from_str_radix(number.strip_prefix("0x")?, 16).ok());
    let (start, end, flags) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let there = flags & (IORESOURCE_IO | IORESOURCE_MEM) != 0 && end > start;
    there.then(|| (Size::from_bytes(end - start + 1), flags))
}

/// Sizes that each register can have, by index, from the files `resource<N>_resize` in `folder`, which hold a bit for each:
/// bit n stands for 2ⁿ MiB.
pub(super) fn resizable(root: &Root, folder: &str) -> BTreeMap<u8, Vec<Size>> {
    let sizes = |index: u8| {
        let text = root.text(format!("{folder}/resource{index}_resize"))?;
        let bits = u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()?;
        let sizes: Vec<_> =
            (0..44).filter(|bit| bits & (1 << bit) != 0).map(|bit| Size::from_bytes(1 << (20 + bit))).collect();
        (!sizes.is_empty()).then_some((index, sizes))
    };
    (0..6).filter_map(sizes).collect()
}

#[cfg(test)]
mod test {
    use super::{Bar, read, resizable};
    use crate::host::tree::lay_out;
    use crate::unit::Size;

    /// Registers of an RX 6800 XT: 256 MiB and 2 MiB above 4 GiB, I/O ports, 1 MiB below, and a ROM.
    const RESOURCE: &str = "\
        0x00000078e0000000 0x00000078efffffff 0x000000000014220c\n\
        0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
        0x00000078f0000000 0x00000078f01fffff 0x000000000014220c\n\
        0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
        0x000000000000f000 0x000000000000f0ff 0x0000000000040101\n\
        0x00000000fca00000 0x00000000fcafffff 0x0000000000040200\n\
        0x00000000fcb00000 0x00000000fcb1ffff 0x0000000000046200\n";

    #[test]
    fn registers_have_their_size_and_kind() {
        let tree = lay_out(&[("/d/resource", RESOURCE)]);
        let size = |text: &str| text.parse::<Size>().unwrap();
        let wide = |index, text| Bar { index, size: size(text), prefetchable: true, wide: true, io: false };
        let ports = Bar { index: 4, size: size("256B"), prefetchable: false, wide: false, io: true };
        let low = Bar { index: 5, size: size("1M"), prefetchable: false, wide: false, io: false };
        assert_eq!(read(&tree.root, "/d"), (vec![wide(0, "256M"), wide(2, "2M"), ports, low], Some(size("128K"))));
    }

    #[test]
    fn a_resizable_register_tells_its_sizes() {
        let tree =
            lay_out(&[("/d/resource0_resize", "0000000000007f00\n"), ("/d/resource2_resize", "0000000000000000\n")]);
        let sizes = ["256M", "512M", "1G", "2G", "4G", "8G", "16G"].map(|size| size.parse::<Size>().unwrap()).to_vec();
        assert_eq!(resizable(&tree.root, "/d"), [(0, sizes)].into());
    }
}
