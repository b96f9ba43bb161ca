//! `pci.addr`, `pci.multifunction`: where in the guest a host's function appears.

use super::pci::Pci;
use crate::plan::{Chipset, Class, Draft, Origin, Place, Problem};
use crate::unit::PciSlot;

/// Place of one function in the guest.
pub(super) struct Function {
    pub(super) place: Place,
    /// Whether it tells the guest that its device has more functions.
    pub(super) multifunction: bool,
}

/// Keeps the device numbers that the user asked for from being dealt to others.
pub(super) fn reserve(functions: &[Pci], draft: &mut Draft) {
    for addr in functions.iter().filter_map(|function| function.addr) {
        draft.slots.reserve(addr.device());
    }
}

/// A place for each function; `None` where there is none, with a problem noted.
pub(super) fn deal(functions: &[Pci], draft: &mut Draft) -> Vec<Option<Function>> {
    for (i, function) in functions.iter().enumerate() {
        judge_addr(i, function, functions, draft);
    }
    let mut places: Vec<Option<Place>> = Vec::new();
    for (i, function) in functions.iter().enumerate() {
        let place = place(i, function, functions, &places, draft);
        if place.is_none() {
            draft.refuse(Problem::new(Class::Invalid, format!("pci[{i}]"), "the guest's PCI bus is full"));
        }
        places.push(place);
    }
    let multifunction: Vec<_> = (0..functions.len()).map(|i| multifunction(i, functions, &places, draft)).collect();
    let whole = places.into_iter().zip(multifunction);
    whole.map(|(place, multifunction)| place.map(|place| Function { place, multifunction })).collect()
}

fn place(i: usize, function: &Pci, functions: &[Pci], earlier: &[Option<Place>], draft: &mut Draft) -> Option<Place> {
    let origin = Origin::given(format!("pci[{i}]"));
    let Draft { contents, slots, .. } = draft;
    if let Some(addr) = function.addr {
        return slots.fixed(&mut contents.argv, addr, &origin);
    }
    // Functions of one host device stay functions of one guest device, as drivers expect of a card and its audio.
    let mates = mates(function, functions);
    let first = mates.iter().find_map(|&mate| earlier.get(mate).and_then(Option::as_ref));
    let number = function_number(i, &mates, functions);
    let shared = first.cloned();
    let Place { bus, addr } = shared.or_else(|| slots.next(&mut contents.argv, &origin.key, &origin))?;
    Some(Place { bus, addr: PciSlot::new(addr.device(), number)? })
}

/// Indices of the functions of one host device that have no address of their own, in the order of the profile.
fn mates(function: &Pci, functions: &[Pci]) -> Vec<usize> {
    let mate = |other: &Pci| other.addr.is_none() && other.host.same_device(function.host);
    functions.iter().enumerate().filter(|(_, other)| mate(other)).map(|(i, _)| i).collect()
}

/// The host's function number when the guest gets function 0 too, else the place in the profile.
fn function_number(i: usize, mates: &[usize], functions: &[Pci]) -> u8 {
    if mates.iter().any(|&mate| functions[mate].host.function() == 0) {
        return functions[i].host.function();
    }
    mates.iter().position(|&mate| mate == i).and_then(|n| u8::try_from(n).ok()).unwrap_or_default()
}

/// Whether function `i` must say that its device has more functions; judges what the user said of it.
fn multifunction(i: usize, functions: &[Pci], places: &[Option<Place>], draft: &mut Draft) -> bool {
    let Some(place) = &places[i] else { return false };
    let same = |other: &Place| other.bus == place.bus && other.addr.device() == place.addr.device();
    let others = places.iter().flatten().filter(|other| same(other)).filter(|other| other.addr != place.addr).count();
    let key = format!("pci[{i}]");
    let first = place.addr.function() == 0;
    match functions[i].multifunction {
        Some(false) if first && others > 0 => {
            draft.refuse(
                Problem::new(
                    Class::Invalid,
                    format!("{key}.multifunction"),
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

fn judge_addr(i: usize, function: &Pci, functions: &[Pci], draft: &mut Draft) {
    let Some(addr) = function.addr else { return };
    let key = format!("pci[{i}].addr");
    let twice = functions[..i].iter().position(|earlier| earlier.addr == Some(addr));
    if let Some(first) = twice {
        let what = format!("{addr} is taken by pci[{first}]");
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
    let zero = functions
        .iter()
        .filter_map(|other| other.addr)
        .any(|other| other.device() == addr.device() && other.function() == 0);
    if !zero {
        draft.refuse(
            Problem::new(Class::Invalid, &key, format!("no function stands at {:02x}.0", addr.device()))
                .why("a guest that finds no function 0 does not look for the others")
                .fix(format!("addr = \"{:02x}.0\"", addr.device())),
        );
    }
}
