//! Guest PCI addresses, dealt out by table so that they stay the same from run to run, and from profile to profile.

use super::{Argv, Kept, Origin, Seat, SeatBy, region};
use crate::unit::PciSlot;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Chipset of the machine; decides how devices are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// What the guest's devices had at the last start.
    kept: Kept,
    seats: Vec<Seat>,
    taken: BTreeSet<PciSlot>,
    /// Root ports, by their address; `true` for one that nothing sits behind yet.
    ports: BTreeMap<PciSlot, bool>,
}

impl Slots {
    /// No address dealt, on `chipset`, where devices shall be where they were `kept`.
    #[must_use]
    pub fn new(chipset: Chipset, kept: Kept) -> Self {
        Self { chipset, kept, ..Self::default() }
    }

    /// Where devices sit, in the order in which they came; and what is to be kept of it.
    #[must_use]
    pub fn seats(self) -> (Vec<Seat>, Kept) {
        let kept = self.kept.after(self.chipset, &self.seats);
        (self.seats, kept)
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

    /// The place that the device called `name` had at the last start, else the next free one among those of `table`, a
    /// table of the profile or a key path in it: a device that is added to one table moves none of another, and one
    /// that is added at the end of a table moves none at all. `name` is what tells the device from all others whatever
    /// else there is; of two that call themselves alike the second gets a number.
    ///
    /// On q35 a root port is added to `argv` for it, because of `origin`. `None` when the bus is full.
    pub fn next(&mut self, argv: &mut Argv, table: &str, name: &str, origin: &Origin) -> Option<Place> {
        self.next_with(argv, table, name, origin, None)
    }

    /// As [`Self::next`], with a root port of `link`.
    pub fn next_with(
        &mut self,
        argv: &mut Argv,
        table: &str,
        name: &str,
        origin: &Origin,
        link: Option<PortLink>,
    ) -> Option<Place> {
        let name = self.own_name(name);
        let kept = self.kept.get(self.chipset, &name).filter(|addr| self.is_free(*addr));
        let kept = kept.filter(|addr| region::is_dealt(self.chipset, *addr));
        let addr = kept.or_else(|| self.free(table))?;
        let by = if kept.is_some() { SeatBy::Kept } else { SeatBy::Dealt };
        self.seats.push(Seat { name, key: origin.key.clone(), addr, by });
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
    pub fn fixed(
        &mut self,
        argv: &mut Argv,
        addr: PciSlot,
        name: &str,
        origin: &Origin,
        link: Option<PortLink>,
    ) -> Option<Place> {
        let name = self.own_name(name);
        let first = PciSlot::new(addr.device(), 0)?;
        let seat = if self.chipset == Chipset::Q35 { first } else { addr };
        self.seats.push(Seat { name, key: origin.key.clone(), addr: seat, by: SeatBy::Given });
        if self.chipset == Chipset::I440fx {
            self.taken.insert(addr);
            return Some(Place { bus: "pci.0".into(), addr });
        }
        self.reserve(addr.device());
        let bus = self.root_port(argv, first, Some(origin), link)?;
        Some(Place { bus, addr: PciSlot::new(0, addr.function())? })
    }

    /// Adds root ports with nothing behind them until there are `count`: only there can a device be plugged into a
    /// running guest. Nothing on i440fx, whose bus takes devices itself. `None` when the bus is full.
    pub fn spare(&mut self, argv: &mut Argv, count: usize) -> Option<()> {
        while self.chipset == Chipset::Q35 && self.ports.values().filter(|empty| **empty).count() < count {
            let free = |slot: &PciSlot| self.is_free(*slot) && !self.ports.contains_key(slot);
            let unkept = |slot: &PciSlot| free(slot) && !self.kept.holds(self.chipset, *slot);
            let mut all = region::candidates(self.chipset, "pcie");
            let addr = all.find(unkept).or_else(|| region::candidates(self.chipset, "pcie").find(free))?;
            self.root_port(argv, addr, None, None)?;
        }
        Some(())
    }

    fn is_free(&self, addr: PciSlot) -> bool {
        !self.taken.contains(&addr)
    }

    /// The next free address among those of `table`; one that another device had only when there is no other.
    fn free(&self, table: &str) -> Option<PciSlot> {
        let mut all = region::candidates(self.chipset, table).filter(|addr| self.is_free(*addr));
        let unkept = all.find(|addr| !self.kept.holds(self.chipset, *addr));
        unkept.or_else(|| region::candidates(self.chipset, table).find(|addr| self.is_free(*addr)))
    }

    /// `name`, with a number when somebody has it.
    fn own_name(&self, name: &str) -> String {
        let is_taken = |name: &str| self.seats.iter().any(|seat| seat.name == name);
        let numbered = (2..).map(|number| format!("{name} {number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
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
        let why = why(origin, link.is_some());
        argv.device(&port(&id, addr, link), why);
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

/// Of a port whose link is the card's, `origin` says where that was read.
fn why(origin: Option<&Origin>, has_link: bool) -> Origin {
    match origin {
        Some(origin) if has_link => {
            let why = "a PCI Express device sits behind a root port; its link is the card's own";
            Origin::derived(origin.key.clone(), why).read_in(origin.source.clone())
        }
        Some(origin) => Origin::derived(origin.key.clone(), "a PCI Express device sits behind a root port"),
        None => Origin::derived("pcie.spare_ports", "only an empty root port takes a device while the guest runs"),
    }
}

#[cfg(test)]
mod test {
    use super::{Chipset, Kept, Slots};
    use crate::plan::{Argv, Origin, SeatBy};
    use crate::unit::PciSlot;

    fn deal(chipset: Chipset, keys: &[&str]) -> (Vec<String>, usize) {
        let (mut slots, mut argv) = (Slots::new(chipset, Kept::default()), Argv::default());
        let places = keys
            .iter()
            .map_while(|key| slots.next(&mut argv, key, key, &Origin::given(*key)))
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
        let (mut slots, mut argv) = (Slots::new(Chipset::Q35, Kept::default()), Argv::default());
        slots.next(&mut argv, "audio", "audio", &Origin::given("audio.model")).unwrap();
        slots.spare(&mut argv, 4).unwrap();
        assert_eq!(argv.args().len(), 5);
    }

    #[test]
    fn functions_of_one_wanted_device_share_a_root_port() {
        let (mut slots, mut argv) = (Slots::new(Chipset::Q35, Kept::default()), Argv::default());
        let origin = Origin::given("pci[0].addr");
        let video = slots.fixed(&mut argv, "09.0".parse().unwrap(), "card", &origin, None).unwrap();
        let audio = slots.fixed(&mut argv, "09.1".parse().unwrap(), "sound", &origin, None).unwrap();
        assert_eq!((video.bus.as_str(), video.addr.function()), ("rp09.0", 0));
        assert_eq!((audio.bus.as_str(), audio.addr.function()), ("rp09.0", 1));
        assert_eq!(argv.args().len(), 1);
    }

    /// The seats of disks called `names` where the last start left `kept`; and what this one leaves.
    fn disks(kept: &Kept, names: &[&str]) -> (Vec<(String, String, SeatBy)>, Kept) {
        let (mut slots, mut argv) = (Slots::new(Chipset::Q35, kept.clone()), Argv::default());
        for (i, name) in names.iter().enumerate() {
            slots.next(&mut argv, "disk", name, &Origin::given(format!("disk[{i}]"))).unwrap();
        }
        let (seats, kept) = slots.seats();
        (seats.into_iter().map(|seat| (seat.name, seat.addr.to_string(), seat.by)).collect(), kept)
    }

    #[test]
    fn a_disk_that_is_added_or_removed_moves_no_other() {
        let (_, kept) = disks(&Kept::default(), &["a", "b", "c"]);
        let (seats, kept) = disks(&kept, &["new", "b", "c"]);
        let seat = |name: &str, addr: &str, by| (name.to_owned(), addr.to_owned(), by);
        let wanted =
            [seat("new", "10.3", SeatBy::Dealt), seat("b", "10.1", SeatBy::Kept), seat("c", "10.2", SeatBy::Kept)];
        assert_eq!(seats, wanted);
        // The one that was away comes back to where it was.
        assert_eq!(disks(&kept, &["c", "a"]).0, [seat("c", "10.2", SeatBy::Kept), seat("a", "10.0", SeatBy::Kept)]);
    }

    #[test]
    fn two_that_call_themselves_alike_keep_their_order() {
        let (first, kept) = disks(&Kept::default(), &["cd-rom", "cd-rom"]);
        let again = disks(&kept, &["cd-rom", "cd-rom"]).0;
        let addresses =
            |seats: &[(String, String, SeatBy)]| seats.iter().map(|seat| seat.1.clone()).collect::<Vec<_>>();
        assert_eq!(addresses(&first), addresses(&again));
        assert_eq!(again[1].0, "cd-rom 2");
    }

    #[test]
    fn an_address_that_the_user_gives_to_another_is_not_kept() {
        let kept = Kept::new(Chipset::Q35, [("a".to_owned(), "09.0".parse().unwrap())].into());
        let (mut slots, mut argv) = (Slots::new(Chipset::Q35, kept), Argv::default());
        let addr: PciSlot = "09.0".parse().unwrap();
        slots.reserve(addr.device());
        let disk = slots.next(&mut argv, "disk", "a", &Origin::given("disk[0]")).unwrap();
        let card = slots.fixed(&mut argv, addr, "card", &Origin::given("pci[0]"), None).unwrap();
        assert_eq!((disk.bus.as_str(), card.bus.as_str()), ("rp10.0", "rp09.0"));
    }

    #[test]
    fn what_was_kept_of_another_machine_or_is_no_address_is_not_taken() {
        let kept = |chipset, addr: &str| Kept::new(chipset, [("a".to_owned(), addr.parse().unwrap())].into());
        let addr = |kept: &Kept| disks(kept, &["a"]).0[0].1.clone();
        assert_eq!(addr(&kept(Chipset::I440fx, "12.0")), "10.0");
        assert_eq!(addr(&kept(Chipset::Q35, "1f.3")), "10.0");
        assert_eq!(addr(&kept(Chipset::Q35, "12.0")), "12.0");
    }

    #[test]
    fn a_full_bus_takes_what_was_kept_for_devices_that_are_away() {
        let away = (0..27 * 8).map(|n| format!("away {n}"));
        let all = super::region::candidates(Chipset::Q35, "disk").collect::<std::collections::BTreeSet<_>>();
        let kept = Kept::new(Chipset::Q35, away.zip(all).collect());
        let (seats, kept) = disks(&kept, &["a"]);
        assert_eq!((seats[0].1.as_str(), seats[0].2), ("10.0", SeatBy::Dealt));
        assert_eq!(kept.get(Chipset::Q35, "a"), "10.0".parse().ok());
    }
}
