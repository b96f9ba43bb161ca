//! Guest PCI addresses, dealt out by table so that they stay the same from run to run, and from profile to profile.

mod endpoint;

use super::{Argv, Kept, Origin, Seat, SeatBy, region};
use crate::unit::{GuestPlace, PciSlot};
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
    /// Whether it is the first of several functions that the profile puts there.
    pub multifunction: bool,
}

impl Place {
    fn alone(bus: impl Into<String>, addr: PciSlot) -> Self {
        Self { bus: bus.into(), addr, multifunction: false }
    }

    /// Adds `bus` and `addr` to a device's JSON object.
    pub fn onto(&self, device: &mut Value) {
        device["bus"] = json!(self.bus);
        device["addr"] = json!(self.addr.to_string());
        if self.multifunction {
            device["multifunction"] = json!(true);
        }
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
    /// Where the profile wants devices, by what names them.
    given: BTreeMap<String, GuestPlace>,
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
        if let Some(place) = self.given.get(&name).copied() {
            return self.at(argv, place, (name, origin), link);
        }
        let kept = self.kept.get(self.chipset, &name).filter(|addr| self.is_free(*addr));
        let kept = kept.filter(|addr| region::is_dealt(self.chipset, *addr));
        let addr = kept.or_else(|| self.free(table))?;
        let by = if kept.is_some() { SeatBy::Kept } else { SeatBy::Dealt };
        self.seats.push(Seat { name, key: origin.key.clone(), addr, by });
        match self.chipset {
            Chipset::I440fx => {
                self.reserve(addr.device());
                Some(Place::alone("pci.0", addr))
            }
            Chipset::Q35 => {
                self.taken.insert(addr);
                let bus = self.root_port(argv, addr, Some(origin), link)?;
                Some(Place::alone(bus, PciSlot::new(0, 0)?))
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
            return Some(Place::alone("pci.0", addr));
        }
        self.reserve(addr.device());
        let bus = self.root_port(argv, first, Some(origin), link)?;
        Some(Place::alone(bus, PciSlot::new(0, addr.function())?))
    }

    /// Has devices be where the profile wants them, and nobody else there.
    pub fn give(&mut self, places: BTreeMap<String, GuestPlace>) {
        for place in places.values() {
            match (place, self.chipset) {
                (GuestPlace::Root(slot), Chipset::Q35) => self.reserve(slot.device()),
                _ => _ = self.taken.insert(place.on_root_bus()),
            }
        }
        self.given = places;
    }

    /// Whether the profile says where the device called `name` is.
    #[must_use]
    pub fn gives(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Names that the profile gives a place, and that no device has.
    #[must_use]
    pub fn nobodys(&self) -> Vec<String> {
        let has = |name: &&String| !self.seats.iter().any(|seat| seat.name == **name);
        self.given.keys().filter(has).cloned().collect()
    }

    /// Adds the root port at `addr`, with nothing behind it unless something is already. Nothing on i440fx.
    pub fn port(&mut self, argv: &mut Argv, addr: PciSlot) {
        if self.chipset == Chipset::Q35 {
            self.root_port(argv, addr, None, None);
        }
    }

    /// The place that the profile gives to the device called `name`.
    fn at(
        &mut self,
        argv: &mut Argv,
        place: GuestPlace,
        (name, origin): (String, &Origin),
        link: Option<PortLink>,
    ) -> Option<Place> {
        self.seats.push(Seat { name, key: origin.key.clone(), addr: place.on_root_bus(), by: SeatBy::Given });
        if let (GuestPlace::Port(port, _), Chipset::Q35) = (place, self.chipset) {
            self.root_port(argv, port, Some(origin), link)?;
        }
        let seat = self.seat(place);
        let beside = |other: &Place| other.bus == seat.bus && other.addr.device() == seat.addr.device();
        let mates = self.given.values().map(|other| self.seat(*other)).filter(beside).count();
        Some(Place { multifunction: seat.addr.function() == 0 && mates > 1, ..seat })
    }

    /// Bus and address of `place`, whoever else is there.
    #[must_use]
    pub fn seat(&self, place: GuestPlace) -> Place {
        match (place, self.chipset) {
            (GuestPlace::Port(addr, _) | GuestPlace::Root(addr), Chipset::I440fx) => Place::alone("pci.0", addr),
            (GuestPlace::Root(addr), Chipset::Q35) => Place::alone("pcie.0", addr),
            (GuestPlace::Port(port, addr), Chipset::Q35) => Place::alone(format!("rp{port}"), addr),
        }
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

    /// Whether nobody has `addr`.
    #[must_use]
    pub fn is_free(&self, addr: PciSlot) -> bool {
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
        if let Some(empty) = self.ports.get_mut(&addr) {
            // One that somebody sits behind stays so.
            *empty &= origin.is_none();
            return Some(id);
        }
        self.ports.insert(addr, origin.is_none());
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
mod test;
