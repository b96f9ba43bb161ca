//! What is kept of a guest's devices from run to run: a guest that finds one elsewhere, or under another name, takes it for
//! a new one, and a clock that stands where it did not leave it, for a wrong one.

use super::{Chipset, GuestClock};
use crate::unit::PciSlot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The addresses that a guest's devices had, and what they called themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The chipset whose addresses they are.
    #[serde(default)]
    chipset: Chipset,
    /// By what names a device whatever else there is, like `disk /srv/vm/a.raw`; on q35 the address of its root port.
    #[serde(default)]
    addresses: BTreeMap<String, PciSlot>,
    /// The hardware addresses and serial numbers that the profile does not give, by what names the device whatever its turn.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    identities: BTreeMap<String, String>,
    /// How the guest set its clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<GuestClock>,
}

/// Where one device of the guest sits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// What names the device.
    pub name: String,
    /// Key path that asks for it.
    pub key: String,
    /// Its address, on q35 that of its root port.
    pub addr: PciSlot,
    /// Who chose the address.
    pub by: SeatBy,
}

/// Who chose an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeatBy {
    /// The profile gives it.
    Given,
    /// The device had it at the last start.
    Kept,
    /// It was free.
    Dealt,
}

impl Kept {
    /// Addresses of a machine with `chipset`.
    #[must_use]
    pub fn new(chipset: Chipset, addresses: BTreeMap<String, PciSlot>) -> Self {
        Self { chipset, addresses, identities: BTreeMap::new(), clock: None }
    }

    /// The same with what devices called themselves.
    #[must_use]
    pub fn with_identities(self, identities: BTreeMap<String, String>) -> Self {
        Self { identities, ..self }
    }

    /// The same with how the guest set its clock; `None` when it never has.
    #[must_use]
    pub fn with_clock(self, clock: Option<GuestClock>) -> Self {
        Self { clock, ..self }
    }

    /// How the guest set its clock; `None` when it never has.
    #[must_use]
    pub fn clock(&self) -> Option<GuestClock> {
        self.clock
    }

    /// What devices called themselves, by name.
    pub(super) fn identities(&self) -> &BTreeMap<String, String> {
        &self.identities
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.identities.is_empty() && self.clock.is_none()
    }

    /// The address of the device `name` on `chipset`.
    pub(super) fn get(&self, chipset: Chipset, name: &str) -> Option<PciSlot> {
        self.addresses.get(name).copied().filter(|_| self.chipset == chipset)
    }

    /// Whether a device on `chipset` had `addr`.
    pub(super) fn holds(&self, chipset: Chipset, addr: PciSlot) -> bool {
        self.chipset == chipset && self.addresses.values().any(|held| *held == addr)
    }

    /// What is kept after a start with `seats`: their addresses, and those of devices that are away as long as nobody
    /// else has them, so that a disk that is plugged in again comes back to where it was.
    pub(super) fn after(&self, chipset: Chipset, seats: &[Seat]) -> Self {
        let mut addresses: BTreeMap<_, _> = seats.iter().map(|seat| (seat.name.clone(), seat.addr)).collect();
        for (name, addr) in self.addresses.iter().filter(|_| self.chipset == chipset) {
            if !seats.iter().any(|seat| seat.name == *name || seat.addr == *addr) {
                addresses.insert(name.clone(), *addr);
            }
        }
        Self::new(chipset, addresses).with_clock(self.clock)
    }
}
