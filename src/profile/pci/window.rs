//! How much room above 4 GiB the guest's firmware must have for the windows of passed functions.

use super::Pci;
use super::find::found;
use crate::host::{Host, PciFunction};
use crate::unit::{Bdf, Size};
use std::collections::BTreeMap;

/// What the firmware sets aside for the 64-bit prefetchable windows of all functions in `tables`, as large as `rebar`
/// makes them: for each device their sum, as a multiple of the largest, since a window lies at a multiple of its size.
///
/// Other windows lie below 4 GiB. A table that means nothing counts nothing; it is refused where it is drafted.
pub(in crate::profile) fn room(tables: &[Pci], host: &Host) -> Size {
    let mut devices: BTreeMap<Bdf, Vec<u64>> = BTreeMap::new();
    for table in tables {
        for function in found(table, host) {
            let device = function.bdf.sibling(0).unwrap_or(function.bdf);
            devices.entry(device).or_default().extend(windows(table, function));
        }
    }
    Size::from_bytes(devices.values().map(|windows| behind_one_port(windows)).fold(0, u64::saturating_add))
}

fn behind_one_port(windows: &[u64]) -> u64 {
    let sum = windows.iter().copied().fold(0, u64::saturating_add);
    let largest = windows.iter().max().copied().unwrap_or(1).max(1);
    sum.checked_next_multiple_of(largest).unwrap_or(u64::MAX)
}

fn windows(table: &Pci, function: &PciFunction) -> Vec<u64> {
    let wide = function.bars.iter().filter(|bar| bar.wide && bar.prefetchable && !bar.io);
    let resized = |index: u8| {
        let (_, wanted) = table.rebar.iter().find(|(bar, _)| bar.number() == index)?;
        function.resizable.get(&index)?.contains(wanted).then_some(*wanted)
    };
    wide.map(|bar| resized(bar.index).unwrap_or(bar.size).bytes()).collect()
}
