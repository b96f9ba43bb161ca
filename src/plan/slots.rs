//! Guest PCI addresses, dealt out in a fixed order so that they stay the same from run to run.

use super::{Argv, Origin};
use crate::unit::PciSlot;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Chipset of the machine; decides how devices are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chipset {
    /// PCI Express: every device has a root port of its own, so that it can be a PCI Express device.
    #[default]
    Q35,
    /// One conventional bus, `pci.0`.
    I440fx,
}

/// Where a device goes: QEMU's `bus=` and `addr=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Id of the bus.
    pub bus: String,
    /// Device and function on it.
    pub addr: PciSlot,
}

impl Place {
    /// Adds `bus` and `addr` to a device's JSON object.
    pub fn onto(&self, device: &mut Value) {
        device["bus"] = json!(self.bus);
        device["addr"] = json!(self.addr.to_string());
    }
}

/// The addresses dealt so far.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    chipset: Chipset,
    taken: BTreeSet<PciSlot>,
    ports: u16,
    wanted: Vec<(u8, String)>,
}

/// First device number of the root bus that is dealt: 0 is the host bridge, 1 is left to a VGA card (and to the
/// PIIX3 of i440fx). QEMU: `hw/i386/pc_piix.c`, `pc_q35.c`.
const FIRST: u8 = 2;
/// Last device number that is dealt: 0x1f is the ICH9 of q35 and 0x1d its USB.
const LAST: u8 = 0x1c;

impl Slots {
    /// No address dealt, on `chipset`.
    #[must_use]
    pub fn new(chipset: Chipset) -> Self {
        Self { chipset, ..Self::default() }
    }

    /// The chipset.
    #[must_use]
    pub fn chipset(&self) -> Chipset {
        self.chipset
    }

    /// Keeps device number `device` of the root bus for somebody who asked for it.
    pub fn reserve(&mut self, device: u8) {
        self.taken.extend((0..8).filter_map(|function| PciSlot::new(device, function)));
    }

    /// The next free place. On q35 a root port is added to `argv` for it. `None` when the bus is full.
    pub fn next(&mut self, argv: &mut Argv, origin: &Origin) -> Option<Place> {
        match self.chipset {
            Chipset::I440fx => {
                let addr = self.free(|_, function| function == 0)?;
                self.reserve(addr.device());
                Some(Place { bus: "pci.0".into(), addr })
            }
            Chipset::Q35 => {
                let addr = self.free(|_, _| true)?;
                self.taken.insert(addr);
                let bus = self.root_port(argv, addr, addr.function() == 0, origin);
                Some(Place { bus, addr: PciSlot::new(0, 0)? })
            }
        }
    }

    /// The place for a device that shall be at `addr`.
    ///
    /// On i440fx that is the address itself. On q35 the device number is the root port's, and the function is the
    /// device's behind it: functions of one device share a root port, as they do on the host.
    pub fn fixed(&mut self, argv: &mut Argv, addr: PciSlot, origin: &Origin) -> Option<Place> {
        if self.chipset == Chipset::I440fx {
            self.taken.insert(addr);
            return Some(Place { bus: "pci.0".into(), addr });
        }
        let behind = PciSlot::new(0, addr.function())?;
        if let Some((_, bus)) = self.wanted.iter().find(|(device, _)| *device == addr.device()) {
            return Some(Place { bus: bus.clone(), addr: behind });
        }
        self.reserve(addr.device());
        let bus = self.root_port(argv, PciSlot::new(addr.device(), 0)?, false, origin);
        self.wanted.push((addr.device(), bus.clone()));
        Some(Place { bus, addr: behind })
    }

    fn free(&self, fits: impl Fn(u8, u8) -> bool) -> Option<PciSlot> {
        (FIRST..=LAST)
            .flat_map(|device| (0..8).map(move |function| (device, function)))
            .filter(|&(device, function)| fits(device, function))
            .filter_map(|(device, function)| PciSlot::new(device, function))
            .find(|slot| !self.taken.contains(slot))
    }

    fn root_port(&mut self, argv: &mut Argv, addr: PciSlot, multifunction: bool, origin: &Origin) -> String {
        let id = format!("rp{}", self.ports);
        self.ports += 1;
        // Chassis and slot together must be unique, else QEMU refuses the port with error -16.
        let mut port = json!({
            "driver": "pcie-root-port", "id": id, "bus": "pcie.0", "addr": addr.to_string(),
            "chassis": self.ports, "slot": self.ports,
        });
        if multifunction {
            port["multifunction"] = json!(true);
        }
        argv.device(&port, Origin::derived(origin.key.clone(), "a PCI Express device sits behind a root port"));
        id
    }
}

#[cfg(test)]
mod test {
    use super::{Chipset, Slots};
    use crate::plan::{Argv, Origin};

    fn deal(chipset: Chipset, count: usize) -> (Vec<String>, usize) {
        let (mut slots, mut argv) = (Slots::new(chipset), Argv::default());
        let places = (0..count)
            .map_while(|_| slots.next(&mut argv, &Origin::given("disk[0]")))
            .map(|place| format!("{} {}", place.bus, place.addr))
            .collect();
        (places, argv.args().len())
    }

    #[test]
    fn q35_gives_each_device_a_root_port_of_its_own() {
        assert_eq!(deal(Chipset::Q35, 2), (vec!["rp0 00.0".into(), "rp1 00.0".into()], 2));
    }

    #[test]
    fn i440fx_gives_each_device_a_number_of_the_one_bus() {
        assert_eq!(deal(Chipset::I440fx, 2), (vec!["pci.0 02.0".into(), "pci.0 03.0".into()], 0));
    }

    #[test]
    fn a_full_bus_is_noticed() {
        assert_eq!(deal(Chipset::I440fx, 100).0.len(), 27);
        assert_eq!(deal(Chipset::Q35, 1000).0.len(), 27 * 8);
    }

    #[test]
    fn functions_of_one_wanted_device_share_a_root_port() {
        let (mut slots, mut argv) = (Slots::new(Chipset::Q35), Argv::default());
        let origin = Origin::given("pci[0].addr");
        let video = slots.fixed(&mut argv, "09.0".parse().unwrap(), &origin).unwrap();
        let audio = slots.fixed(&mut argv, "09.1".parse().unwrap(), &origin).unwrap();
        assert_eq!((video.bus.as_str(), video.addr.function()), ("rp0", 0));
        assert_eq!((audio.bus.as_str(), audio.addr.function()), ("rp0", 1));
        assert_eq!(argv.args().len(), 1);
    }
}
