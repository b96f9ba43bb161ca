//! `[addresses]`: where in the guest its PCI devices sit.

use crate::plan::{Chipset, Class, Draft, Problem};
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

/// Tells of names that no device has; to be called when every device has its place.
pub(super) fn judge_names(addresses: &Addresses, draft: &mut Draft) {
    if addresses.is_empty() {
        return;
    }
    for name in draft.slots.nobodys() {
        let problem = Problem::new(Class::Invalid, key(&name), format!("no device is called `{name}`"));
        draft.warn(problem.why("it may be left out of this profile").fix("vmrun plan PROFILE   # tells the names"));
    }
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
}

fn key(name: &str) -> String {
    format!("addresses.\"{name}\"")
}

fn fix(name: &str) -> String {
    format!("\"{name}\" = \"09.0\"")
}
