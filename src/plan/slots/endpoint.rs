//! Devices that sit on the root bus itself, without a root port.

use super::{Place, Slots};
use crate::plan::{Argv, Chipset, Origin, Seat, SeatBy, region};
use crate::unit::PciSlot;

impl Slots {
    /// As [`Slots::next`], for a device that a root port is no place for: on q35 it gets a device number of the root bus
    /// for itself.
    pub fn endpoint(&mut self, argv: &mut Argv, table: &str, name: &str, origin: &Origin) -> Option<Place> {
        if self.chipset == Chipset::I440fx || self.gives(name) {
            return self.next(argv, table, name, origin);
        }
        let name = self.own_name(name);
        let kept = self.kept.get(self.chipset, &name).filter(|addr| self.is_whole(*addr));
        let dealt = || region::candidates(self.chipset, table).find(|addr| self.is_whole(*addr));
        let addr = kept.or_else(dealt)?;
        let by = if kept.is_some() { SeatBy::Kept } else { SeatBy::Dealt };
        self.seats.push(Seat { name, key: origin.key.clone(), addr, by });
        self.reserve(addr.device());
        Some(Place::alone("pcie.0", addr))
    }

    /// Whether `addr` is the first function of a device number that nobody has.
    fn is_whole(&self, addr: PciSlot) -> bool {
        let mut all = (0..8).filter_map(|function| PciSlot::new(addr.device(), function));
        addr.function() == 0 && region::is_dealt(self.chipset, addr) && all.all(|slot| self.is_free(slot))
    }
}
