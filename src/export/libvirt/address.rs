//! `<address>`: where the guest finds its devices, of those that the profile has a place for; libvirt deals the others.

use super::Source;
use crate::export::document::Document;
use crate::export::xml::Element;
use crate::plan::{Contents, SeatBy};
use crate::unit::{GuestPlace, PciSlot};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The places that the profile gives, and the root ports that they take.
pub(super) struct Places {
    given: BTreeMap<String, GuestPlace>,
    /// Root ports; the one at index `i` makes bus `i + 1`.
    ports: Vec<PciSlot>,
    q35: bool,
}

impl Places {
    /// Those of a profile and its plan.
    pub(super) fn of(document: &Document<'_>, contents: &Contents, devices: &[Value], q35: bool) -> Self {
        let parse = |(name, value): (&str, &toml::Value)| Some((name.to_owned(), value.as_str()?.parse().ok()?));
        let mut given: BTreeMap<_, _> = document.table("addresses").into_iter().filter_map(parse).collect();
        // `addr` of a passed function, which has a name like any other.
        let named = contents.seats.iter().filter(|seat| seat.by == SeatBy::Given);
        let named = named.filter(|seat| seat.key.starts_with("pci[") || seat.key.starts_with("mdev["));
        for name in named.map(|seat| &seat.name) {
            let device = devices.iter().find(|device| passed_name(device).as_ref() == Some(name));
            let place =
                device.and_then(|device| behind(device["bus"].as_str()?, device["addr"].as_str()?.parse().ok()?));
            place.into_iter().for_each(|place| _ = given.entry(name.clone()).or_insert(place));
        }
        let told = document.texts("pcie.ports").into_iter().filter_map(|port| port.parse().ok());
        let taken = given.values().filter_map(|place| match place {
            GuestPlace::Port(port, _) => Some(*port),
            GuestPlace::Root(_) => None,
        });
        let ports: BTreeSet<PciSlot> = told.chain(taken).filter(|_| q35).collect();
        // A guest that finds no function 0 does not look for the others.
        let first = ports.iter().filter_map(|port| PciSlot::new(port.device(), 0));
        let ports: BTreeSet<PciSlot> = first.chain(ports.iter().copied()).collect();
        Self { given, ports: ports.into_iter().collect(), q35 }
    }

    /// Number of the bus, and the address on it.
    fn on_bus(&self, place: GuestPlace) -> Option<(usize, PciSlot)> {
        match place {
            GuestPlace::Port(slot, _) | GuestPlace::Root(slot) if !self.q35 => Some((0, slot)),
            GuestPlace::Root(slot) => Some((0, slot)),
            GuestPlace::Port(port, slot) => Some((self.ports.iter().position(|known| *known == port)? + 1, slot)),
        }
    }

    /// Whether another function of the same device is somebody's.
    fn is_shared(&self, bus: usize, slot: PciSlot) -> bool {
        let given = self.given.values().filter_map(|place| self.on_bus(*place));
        let ports = self.ports.iter().map(|port| (0, *port));
        let mut others = given.chain(ports).filter(|(other, at)| *other == bus && *at != slot);
        others.any(|(_, at)| at.device() == slot.device())
    }

    fn element(&self, bus: usize, slot: PciSlot) -> Element {
        let several = (slot.function() == 0 && self.is_shared(bus, slot)).then_some("on");
        Element::new("address")
            .with("type", "pci")
            .with("domain", "0x0000")
            .with("bus", format!("{bus:#04x}"))
            .with("slot", format!("{:#04x}", slot.device()))
            .with("function", format!("{:#x}", slot.function()))
            .maybe("multifunction", several)
    }

    /// The root ports, each the controller that makes a bus.
    pub(super) fn controllers(&self) -> impl Iterator<Item = Element> {
        self.ports.iter().enumerate().map(|(index, port)| {
            let port_of = Element::new("controller").with("type", "pci").with("index", index + 1);
            port_of.with("model", "pcie-root-port").and(self.element(0, *port))
        })
    }
}

impl Source<'_> {
    /// The address of the device that the plan calls `name`, if the profile gives it one.
    pub(super) fn address(&self, name: &str) -> Option<Element> {
        let place = self.places.given.get(name)?;
        let (bus, slot) = self.places.on_bus(*place)?;
        self.document.settle(&format!("addresses.{name}"));
        self.document.settle("pcie.ports");
        Some(self.places.element(bus, slot))
    }

    /// The address of the one device of `table` whose driver has no other name than the table's.
    pub(super) fn address_of(&self, table: &str) -> Option<Element> {
        let own = |seat: &&crate::plan::Seat| seat.name.split(' ').next() == Some(table);
        let seat = self.contents.seats.iter().find(own)?;
        self.address(&seat.name)
    }
}

/// What a plan calls the passed function, or the mediated device, that QEMU's `device` is.
fn passed_name(device: &Value) -> Option<String> {
    let function = device["host"].as_str().map(|host| format!("pci {host}"));
    function.or_else(|| Some(format!("mdev {}", device["sysfsdev"].as_str()?.rsplit('/').next()?)))
}

/// The place that QEMU's `bus` and `addr` are.
fn behind(bus: &str, slot: PciSlot) -> Option<GuestPlace> {
    match bus.strip_prefix("rp") {
        Some(port) => Some(GuestPlace::Port(port.parse().ok()?, slot)),
        None if bus == "pcie.0" => Some(GuestPlace::Root(slot)),
        None => Some(GuestPlace::Port(slot, PciSlot::new(0, 0)?)),
    }
}
