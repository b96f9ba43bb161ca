//! `pci.addr`, `pci.multifunction`: where in the guest a host's function appears.

use super::{Passed, Pci};
use crate::plan::{Chipset, Class, Draft, Origin, Place, PortLink, Problem};
use crate::unit::{PciSlot, Version};

/// Place of one function in the guest.
pub(super) struct Function {
    pub(super) place: Place,
    /// Whether it tells the guest that its device has more functions.
    pub(super) multifunction: bool,
}

/// Keeps the device numbers that the user asked for from being dealt to others.
pub(in crate::profile) fn reserve(tables: &[Pci], draft: &mut Draft) {
    for addr in tables.iter().filter_map(|table| table.addr) {
        draft.slots.reserve(addr.device());
    }
}

/// The address that the profile wants for it; the functions of a whole device keep their numbers.
fn wanted(one: &Passed) -> Option<PciSlot> {
    let addr = one.table.addr?;
    if one.mates == 1 { Some(addr) } else { PciSlot::new(addr.device(), one.bdf().function()) }
}

/// A place for each function; `None` where there is none, with a problem noted.
pub(super) fn deal(passed: &[Passed], draft: &mut Draft) -> Vec<Option<Function>> {
    for (i, one) in passed.iter().enumerate() {
        judge_addr(i, one, passed, draft);
    }
    let mut places: Vec<Option<Place>> = Vec::new();
    for (i, one) in passed.iter().enumerate() {
        let place = place(i, one, passed, &places, draft);
        if place.is_none() {
            draft.refuse(Problem::new(Class::Invalid, &one.key, "the guest's PCI bus is full"));
        }
        places.push(place);
    }
    let multifunction: Vec<_> = (0..passed.len()).map(|i| multifunction(i, passed, &places, draft)).collect();
    let whole = places.into_iter().zip(multifunction);
    whole.map(|(place, multifunction)| place.map(|place| Function { place, multifunction })).collect()
}

fn place(i: usize, one: &Passed, passed: &[Passed], earlier: &[Option<Place>], draft: &mut Draft) -> Option<Place> {
    let link = port_link(one, draft.contents.emulator.version);
    let link_file = format!("/sys/bus/pci/devices/{}/max_link_speed", one.bdf());
    let origin = Origin::given(&one.key).read_in(link_file);
    let name = format!("pci {}", one.bdf());
    let Draft { contents, slots, .. } = draft;
    if let Some(addr) = wanted(one) {
        return slots.fixed(&mut contents.argv, addr, &name, &origin, link);
    }
    if slots.gives(&name) {
        return slots.next_with(&mut contents.argv, &origin.key, &name, &origin, link);
    }
    // Functions of one host device stay functions of one guest device, as drivers expect of a card and its audio.
    let mates = mates(one, passed);
    let first = mates.iter().find_map(|&mate| earlier.get(mate).and_then(Option::as_ref));
    let number = function_number(i, &mates, passed);
    let shared = first.cloned();
    let place = shared.or_else(|| slots.next_with(&mut contents.argv, &origin.key, &name, &origin, link))?;
    Some(Place { addr: PciSlot::new(place.addr.device(), number)?, ..place })
}

/// Speeds of a link in GT/s, as the kernel writes them, and QEMU's names for them; `PCIELinkSpeed`, `qapi/common.json`.
const SPEEDS: [(&str, &str); 6] =
    [("2.5", "2_5"), ("5.0", "5"), ("8.0", "8"), ("16.0", "16"), ("32.0", "32"), ("64.0", "64")];

/// QEMU's first with 32 and 64 GT/s.
const FAST_LINKS: Version = Version::new(9, 1);

/// What a root port must be capable of, so that the function's link is what it is on the host: some drivers show, and
/// some choose, by the port's. `None` for what has no link, and leaves QEMU its own.
fn port_link(one: &Passed, qemu: Option<Version>) -> Option<PortLink> {
    let link = one.function.link.as_ref()?;
    let (_, speed) = SPEEDS.iter().find(|(kernels, _)| *kernels == link.max_speed)?;
    let fast = qemu.is_none_or(|version| version >= FAST_LINKS);
    let speed = if matches!(*speed, "32" | "64") && !fast { "16" } else { speed };
    matches!(link.max_width, 1 | 2 | 4 | 8 | 12 | 16 | 32).then_some(PortLink { speed, width: link.max_width })
}

/// Indices of the functions of one host device that have no address of their own, in the order of the profile.
fn mates(one: &Passed, passed: &[Passed]) -> Vec<usize> {
    // Virtual functions are devices of their own, whatever their numbers.
    let apart = |other: &Passed| other.function.physfn.is_some() && other.bdf() != one.bdf();
    let mate = |other: &Passed| wanted(other).is_none() && other.bdf().same_device(one.bdf()) && !apart(other);
    passed.iter().enumerate().filter(|(_, other)| mate(other)).map(|(i, _)| i).collect()
}

/// The host's function number when the guest gets function 0 too, else the place in the profile.
fn function_number(i: usize, mates: &[usize], passed: &[Passed]) -> u8 {
    if mates.iter().any(|&mate| passed[mate].bdf().function() == 0) {
        return passed[i].bdf().function();
    }
    mates.iter().position(|&mate| mate == i).and_then(|n| u8::try_from(n).ok()).unwrap_or_default()
}

/// Whether function `i` must say that its device has more functions; judges what the user said of it.
fn multifunction(i: usize, passed: &[Passed], places: &[Option<Place>], draft: &mut Draft) -> bool {
    let Some(place) = &places[i] else { return false };
    let same = |other: &Place| other.bus == place.bus && other.addr.device() == place.addr.device();
    let others = places.iter().flatten().filter(|other| same(other)).filter(|other| other.addr != place.addr).count();
    let first = place.addr.function() == 0;
    // What is said of a whole device is said of its first function.
    let said = passed[i].table.multifunction.filter(|_| first || passed[i].mates == 1);
    match said {
        Some(false) if first && others > 0 => {
            draft.refuse(
                Problem::new(
                    Class::Invalid,
                    format!("{}.multifunction", passed[i].key),
                    "multifunction = false on function 0 of a device with more functions",
                )
                .why("a guest looks for further functions only if function 0 says so")
                .fix("leave multifunction out"),
            );
            false
        }
        Some(given) => given,
        None => first && others > 0,
    }
}

fn judge_addr(i: usize, one: &Passed, passed: &[Passed], draft: &mut Draft) {
    let Some(addr) = wanted(one) else { return };
    let key = format!("{}.addr", one.key);
    let given = one.table.addr.filter(|given| one.mates > 1 && given.function() != 0);
    if let Some(given) = given.filter(|_| passed[..i].iter().all(|earlier| earlier.key != one.key)) {
        let what = format!("{given} is the address of one function, and {} are passed", one.mates);
        let fix = format!("addr = \"{:02x}\"", given.device());
        draft.refuse(Problem::new(Class::Invalid, &key, what).why("functions keep their numbers").fix(fix));
    }
    let twice = passed[..i].iter().find(|earlier| wanted(earlier) == Some(addr));
    if let Some(first) = twice {
        let what = format!("{addr} is taken by {}", first.key);
        draft.refuse(Problem::new(Class::Invalid, &key, what).fix(format!(
            "addr = \"{:02x}.{:x}\"",
            addr.device(),
            (addr.function() + 1) & 7
        )));
    }
    let taken = match (draft.slots.chipset(), addr.device()) {
        (_, 0) => Some("the host bridge"),
        (Chipset::Q35, 0x1f) => Some("the chipset's own ICH9"),
        (Chipset::I440fx, 1) => Some("the chipset's own PIIX3"),
        _ => None,
    };
    if let Some(owner) = taken {
        let what = format!("device number {:02x} belongs to {owner}", addr.device());
        draft.refuse(Problem::new(Class::Invalid, &key, what).fix("addr = \"09.0\""));
    }
    let zero = passed.iter().filter_map(wanted).any(|other| other.device() == addr.device() && other.function() == 0);
    if !zero {
        draft.refuse(
            Problem::new(Class::Invalid, &key, format!("no function stands at {:02x}.0", addr.device()))
                .why("a guest that finds no function 0 does not look for the others")
                .fix(format!("addr = \"{:02x}.0\"", addr.device())),
        );
    }
}
