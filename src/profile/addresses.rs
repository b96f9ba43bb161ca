//! `[addresses]`: where in the guest its PCI devices sit.

use crate::plan::{Chipset, Class, Draft, Place, Problem};
use crate::unit::{GuestPlace, PciSlot};
use std::collections::BTreeMap;

/// Places by what names the device.
pub(super) type Addresses = BTreeMap<String, GuestPlace>;

/// Has devices sit where the profile wants them.
pub(super) fn draft(addresses: &Addresses, draft: &mut Draft) {
    let chipset = draft.slots.chipset();
    for (name, place) in addresses {
        judge(name, *place, chipset, draft);
    }
    for (turn, (name, place)) in addresses.iter().enumerate() {
        if let Some((first, _)) = addresses.iter().take(turn).find(|(_, other)| *other == place) {
            let what = format!("{place} is the place of `{first}`, too");
            draft.refuse(Problem::new(Class::Invalid, key(name), what).fix("leave one of them out"));
        }
    }
    draft.slots.give(addresses.clone());
}

/// Tells of names that no device has, and of places where no guest finds one; to be called when every device has its place.
pub(super) fn judge_places(addresses: &Addresses, draft: &mut Draft) {
    if addresses.is_empty() {
        return;
    }
    let places = draft.contents.argv.places();
    for (name, place) in addresses {
        judge_functions(name, *place, &places, draft);
    }
    for name in draft.slots.nobodys() {
        let problem = Problem::new(Class::Invalid, key(&name), format!("no device is called `{name}`"));
        draft.warn(problem.why("it may be left out of this profile").fix("vmrun plan PROFILE   # tells the names"));
    }
}

/// Linux: `pci_scan_slot()`, `drivers/pci/probe.c`.
const LEAD: &str = "a guest looks at function 0, and at others only when that tells of them";

/// Refuses `place` when others are there, or when function 0 of its device does not lead to it.
fn judge_functions(name: &str, place: GuestPlace, places: &[Place], draft: &mut Draft) {
    let seat = draft.slots.seat(place);
    let device = |other: &&Place| other.bus == seat.bus && other.addr.device() == seat.addr.device();
    let mates: Vec<_> = places.iter().filter(device).collect();
    let here = mates.iter().filter(|mate| mate.addr == seat.addr).count();
    // Function 0 of device 1 of machine `pc` is the chipset's.
    let lead = mates.iter().find(|mate| mate.addr.function() == 0);
    let (what, why) = match lead {
        _ if here == 0 || (draft.slots.chipset() == Chipset::I440fx && seat.addr.device() == 1) => return,
        _ if here > 1 => (
            format!("{place} is the place of another device, too"),
            "a root port is a device, and the ports of one device number begin with function 0",
        ),
        Some(lead) if lead.multifunction || mates.len() == 1 => return,
        Some(_) => (format!("{place} is one of several functions, and function 0 tells of none"), LEAD),
        None => (format!("{place} is a function of a device that has no function 0"), LEAD),
    };
    draft.refuse(Problem::new(Class::Invalid, key(name), what).why(why).fix(fix(name)));
}

fn judge(name: &str, place: GuestPlace, chipset: Chipset, draft: &mut Draft) {
    let slot = place.on_root_bus();
    let owner = match (chipset, slot.device(), slot.function()) {
        (_, 0, _) => "the host bridge",
        (Chipset::Q35, 0x1f, _) => "the chipset's own ICH9",
        (Chipset::I440fx, 1, 0 | 1 | 3) => "the chipset's own PIIX3",
        _ => return judge_bus(name, place, chipset, draft),
    };
    draft.refuse(Problem::new(Class::Invalid, key(name), format!("{slot} belongs to {owner}")).fix(fix(name)));
}

fn judge_bus(name: &str, place: GuestPlace, chipset: Chipset, draft: &mut Draft) {
    let behind = match place {
        GuestPlace::Root(_) => true,
        GuestPlace::Port(_, slot) => PciSlot::new(0, 0) != Some(slot),
    };
    if chipset == Chipset::I440fx && behind {
        let what = format!("machine.type = \"pc\" has one bus and no ports, so {place} is nowhere");
        draft.refuse(Problem::new(Class::Invalid, key(name), what).fix(fix(name)));
    }
    if let (GuestPlace::Port(port, slot), Chipset::Q35) = (place, chipset)
        && slot.device() != 0
    {
        let problem = Problem::new(Class::Invalid, key(name), format!("behind a root port there is no device {slot}"));
        let why = "the port is a link to one device, and that is device 0";
        draft.refuse(problem.why(why).fix(format!("\"{name}\" = \"{port}\"")));
    }
}

fn key(name: &str) -> String {
    format!("addresses.\"{name}\"")
}

fn fix(name: &str) -> String {
    format!("\"{name}\" = \"09.0\"")
}
