//! Guest PCI addresses, dealt out by table so that they stay the same from run to run, and from profile to profile.

use super::{Argv, Origin, region};
use crate::unit::PciSlot;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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

/// What a root port is capable of, so that the guest sees the link that its card really has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortLink {
    /// QEMU's `x-speed`.
    pub speed: &'static str,
    /// QEMU's `x-width`.
    pub width: u8,
}

/// The addresses dealt so far.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    chipset: Chipset,
    taken: BTreeSet<PciSlot>,
    /// Root ports, by their address; `true` for one that nothing sits behind yet.
    ports: BTreeMap<PciSlot, bool>,
}

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

    /// The next free place among those of `table`, a table of the profile or a key path in it: a device that is added
    /// to one table moves none of another, and one that is added at the end of a table moves none at all.
    ///
    /// On q35 a root port is added to `argv` for it, because of `origin`. `None` when the bus is full.
    pub fn next(&mut self, argv: &mut Argv, table: &str, origin: &Origin) -> Option<Place> {
        self.next_with(argv, table, origin, None)
    }

    /// As [`Self::next`], with a root port of `link`.
    pub fn next_with(
        &mut self,
        argv: &mut Argv,
        table: &str,
        origin: &Origin,
        link: Option<PortLink>,
    ) -> Option<Place> {
        let addr = region::candidates(self.chipset, table).find(|slot| !self.taken.contains(slot))?;
        match self.chipset {
            Chipset::I440fx => {
                self.reserve(addr.device());
                Some(Place { bus: "pci.0".into(), addr })
            }
            Chipset::Q35 => {
                self.taken.insert(addr);
                let bus = self.root_port(argv, addr, Some(origin), link)?;
                Some(Place { bus, addr: PciSlot::new(0, 0)? })
            }
        }
    }

    /// The place for a device that shall be at `addr`.
    ///
    /// On i440fx that is the address itself. On q35 the device number is the root port's, and the function is the
    /// device's behind it: functions of one device share a root port, as they do on the host.
    pub fn fixed(&mut self, argv: &mut Argv, addr: PciSlot, origin: &Origin, link: Option<PortLink>) -> Option<Place> {
        if self.chipset == Chipset::I440fx {
            self.taken.insert(addr);
            return Some(Place { bus: "pci.0".into(), addr });
        }
        self.reserve(addr.device());
        let bus = self.root_port(argv, PciSlot::new(addr.device(), 0)?, Some(origin), link)?;
        Some(Place { bus, addr: PciSlot::new(0, addr.function())? })
    }

    /// Adds root ports with nothing behind them until there are `count`: only there can a device be plugged into a
    /// running guest. Nothing on i440fx, whose bus takes devices itself. `None` when the bus is full.
    pub fn spare(&mut self, argv: &mut Argv, count: usize) -> Option<()> {
        while self.chipset == Chipset::Q35 && self.ports.values().filter(|empty| **empty).count() < count {
            let free = |slot: &PciSlot| !self.taken.contains(slot) && !self.ports.contains_key(slot);
            let addr = region::candidates(self.chipset, "pcie").find(free)?;
            self.root_port(argv, addr, None, None)?;
        }
        Some(())
    }

    /// Id of the root port at `addr`, which is added to `argv` unless it is there; for a device of `origin`, or empty.
    fn root_port(
        &mut self,
        argv: &mut Argv,
        addr: PciSlot,
        origin: Option<&Origin>,
        link: Option<PortLink>,
    ) -> Option<String> {
        let id = format!("rp{addr}");
        if self.ports.insert(addr, origin.is_none()).is_some() {
            return Some(id);
        }
        let first = PciSlot::new(addr.device(), 0)?;
        if addr != first && !self.ports.contains_key(&first) {
            // A guest that finds no function 0 does not look for the others; the port is a spare one meanwhile.
            self.root_port(argv, first, None, None)?;
        }
        argv.device(&port(&id, addr, link), why(origin));
        Some(id)
    }
}

/// Chassis and slot together must be unique, else QEMU refuses the port with error -16. Both come from the address, so
/// that they stay too.
fn port(id: &str, addr: PciSlot, link: Option<PortLink>) -> Value {
    let number = addr.device() * 8 + addr.function();
    let mut port = json!({
        "driver": "pcie-root-port", "id": id, "bus": "pcie.0", "addr": addr.to_string(),
        "chassis": number, "slot": number,
    });
    if addr.function() == 0 {
        port["multifunction"] = json!(true);
    }
    if let Some(PortLink { speed, width }) = link {
        port["x-speed"] = json!(speed);
        port["x-width"] = json!(width.to_string());
    }
    port
}

fn why(origin: Option<&Origin>) -> Origin {
    match origin {
        Some(origin) => Origin::derived(origin.key.clone(), "a PCI Express device sits behind a root port"),
        None => Origin::derived("pcie.spare_ports", "only an empty root port takes a device while the guest runs"),
    }
}

#[cfg(test)]
mod test {
    use super::{Chipset, Slots};
    use crate::plan::{Argv, Origin};

    fn deal(chipset: Chipset, keys: &[&str]) -> (Vec<String>, usize) {
        let (mut slots, mut argv) = (Slots::new(chipset), Argv::default());
        let places = keys
            .iter()
            .map_while(|key| slots.next(&mut argv, key, &Origin::given(*key)))
            .map(|place| format!("{} {}", place.bus, place.addr))
            .collect();
        (places, argv.args().len())
    }

    #[test]
    fn q35_gives_each_device_a_root_port_of_its_own() {
        assert_eq!(deal(Chipset::Q35, &["disk[0]", "disk[1]"]), (vec!["rp10.0 00.0".into(), "rp10.1 00.0".into()], 2));
    }

    #[test]
    fn i440fx_gives_each_device_a_number_of_the_one_bus() {
        assert_eq!(deal(Chipset::I440fx, &["net[0]", "net[1]"]), (vec!["pci.0 03.0".into(), "pci.0 04.0".into()], 0));
    }

    #[test]
    fn a_full_bus_is_noticed_and_every_address_was_dealt_by_then() {
        assert_eq!(deal(Chipset::I440fx, &["disk[0]"; 100]).0.len(), 30);
        assert_eq!(deal(Chipset::Q35, &["disk[0]"; 1000]).0.len(), 27 * 8);
    }

    #[test]
    fn a_device_added_to_one_table_moves_none_of_another() {
        let without = deal(Chipset::Q35, &["net[0]", "disk[0]", "pci[0]", "audio.model"]).0;
        let with =
            deal(Chipset::Q35, &["net[0]", "net[1]", "disk[0]", "disk[1]", "usb_controller", "pci[0]", "audio.model"])
                .0;
        assert!(without.iter().all(|place| with.contains(place)), "{without:?} {with:?}");
    }

    #[test]
    fn a_port_that_is_not_function_0_has_one_before_it() {
        let (places, ports) = deal(Chipset::Q35, &["audio.model", "usb_controller"]);
        assert_eq!(places, ["rp16.1 00.0", "rp16.0 00.0"]);
        assert_eq!(ports, 2);
    }

    #[test]
    fn spare_ports_are_counted_with_those_that_happen_to_be_empty() {
        let (mut slots, mut argv) = (Slots::new(Chipset::Q35), Argv::default());
        slots.next(&mut argv, "audio", &Origin::given("audio.model")).unwrap();
        slots.spare(&mut argv, 4).unwrap();
        assert_eq!(argv.args().len(), 5);
    }

    #[test]
    fn functions_of_one_wanted_device_share_a_root_port() {
        let (mut slots, mut argv) = (Slots::new(Chipset::Q35), Argv::default());
        let origin = Origin::given("pci[0].addr");
        let video = slots.fixed(&mut argv, "09.0".parse().unwrap(), &origin, None).unwrap();
        let audio = slots.fixed(&mut argv, "09.1".parse().unwrap(), &origin, None).unwrap();
        assert_eq!((video.bus.as_str(), video.addr.function()), ("rp09.0", 0));
        assert_eq!((audio.bus.as_str(), audio.addr.function()), ("rp09.0", 1));
        assert_eq!(argv.args().len(), 1);
    }
}
