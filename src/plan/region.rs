//! Which guest PCI addresses belong to which table of the profile, so that a new device moves no other.

use super::Chipset;
use crate::unit::PciSlot;

/// A run of addresses for the devices of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    table: &'static str,
    /// First device number.
    first: u8,
    /// Number of device numbers.
    devices: u8,
    /// First function of the first device number; single devices share one number on q35.
    function: u8,
    /// Root ports in the region; on i440fx, which has none, it counts nothing.
    ports: u8,
}

const fn region(table: &'static str, first: u8, devices: u8) -> Region {
    Region { table, first, devices, function: 0, ports: devices * 8 }
}

const fn single(table: &'static str, first: u8, function: u8) -> Region {
    Region { table, first, devices: 1, function, ports: 1 }
}

/// q35: root ports, eight on a device number of `pcie.0`.
///
/// Network interfaces come first: firmware numbers buses in the order of the ports, and Linux names an interface after
/// its bus (`enp1s0`), so whatever is added to other tables leaves their names alone. Windows goes by the path, port
/// after port, which never changes. 08 to 0f are free for addresses that users like to give.
const Q35: &[Region] = &[
    region("net", 0x02, 2),
    region("pci", 0x04, 3),
    region("disk", 0x10, 4),
    region("share", 0x14, 1),
    region("input", 0x15, 1),
    single("usb_controller", 0x16, 0),
    single("audio", 0x16, 1),
    single("looking_glass", 0x16, 2),
    single("watchdog", 0x16, 3),
    single("rng", 0x16, 4),
    single("vsock", 0x16, 5),
    single("memory", 0x16, 6),
    single("agent", 0x16, 7),
    region("pcie", 0x1a, 1),
];

/// i440fx: device numbers of the one bus. 02 is the emulated graphics card's.
const I440FX: &[Region] = &[
    region("display", 0x02, 1),
    region("net", 0x03, 4),
    region("pci", 0x07, 4),
    region("disk", 0x0b, 6),
    region("usb_controller", 0x11, 1),
    region("audio", 0x12, 1),
    region("looking_glass", 0x13, 1),
    region("watchdog", 0x14, 1),
    region("rng", 0x15, 1),
    region("vsock", 0x16, 1),
    region("memory", 0x17, 1),
    region("agent", 0x18, 1),
    region("input", 0x19, 2),
    region("share", 0x1b, 2),
];

/// Addresses for a device of the table that `key` (like `disk[0].bus`) begins with, the best first.
///
/// A table with more devices than its region, or without one, goes on in what no region holds, and then anywhere.
pub(super) fn candidates(chipset: Chipset, key: &str) -> impl Iterator<Item = PciSlot> {
    let table = key.split(['[', '.']).next().unwrap_or_default().to_owned();
    let regions = regions(chipset);
    let own = regions.iter().filter(move |region| region.table == table).flat_map(move |region| region.slots(chipset));
    let nobodys = all(chipset).filter(move |slot| !regions.iter().any(|region| region.holds(slot.device())));
    own.chain(nobodys).chain(all(chipset))
}

/// Whether `addr` is one that can be dealt.
pub(super) fn is_dealt(chipset: Chipset, addr: PciSlot) -> bool {
    all(chipset).any(|slot| slot == addr)
}

fn regions(chipset: Chipset) -> &'static [Region] {
    match chipset {
        Chipset::Q35 => Q35,
        Chipset::I440fx => I440FX,
    }
}

/// Every address that can be dealt, the last device number first. 0 is the host bridge, 1 is left to a VGA card (and to
/// the PIIX3 of i440fx), on q35 0x1f is the ICH9 and 0x1d its USB. QEMU: `hw/i386/pc_piix.c`, `pc_q35.c`.
fn all(chipset: Chipset) -> impl Iterator<Item = PciSlot> {
    let last = match chipset {
        Chipset::Q35 => 0x1c,
        Chipset::I440fx => 0x1f,
    };
    (2..=last).rev().flat_map(move |device| slots_of(chipset, device, 0, 8))
}

/// On i440fx only function 0: its devices are not functions of each other.
fn slots_of(chipset: Chipset, device: u8, first: u8, count: u8) -> impl Iterator<Item = PciSlot> {
    let end = if chipset == Chipset::Q35 { first + count } else { 1 };
    (first..end.min(8)).filter_map(move |function| PciSlot::new(device, function))
}

impl Region {
    fn slots(self, chipset: Chipset) -> impl Iterator<Item = PciSlot> {
        let Self { table: _, first, devices, function, ports } = self;
        (first..first + devices).flat_map(move |device| slots_of(chipset, device, function, ports.min(8)))
    }

    fn holds(self, device: u8) -> bool {
        (self.first..self.first + self.devices).contains(&device)
    }
}

#[cfg(test)]
mod test {
    use super::{Region, candidates, regions};
    use crate::plan::Chipset;

    #[test]
    fn no_address_is_in_two_regions() {
        for chipset in [Chipset::Q35, Chipset::I440fx] {
            let mut slots: Vec<_> =
                regions(chipset).iter().copied().flat_map(|region: Region| region.slots(chipset)).collect();
            let count = slots.len();
            slots.sort();
            slots.dedup();
            assert_eq!(slots.len(), count);
        }
    }

    #[test]
    fn a_table_without_a_region_stays_out_of_those_of_others() {
        let first = candidates(Chipset::Q35, "weather[0]").next().unwrap();
        assert!(!regions(Chipset::Q35).iter().any(|region| region.holds(first.device())), "{first}");
    }
}
