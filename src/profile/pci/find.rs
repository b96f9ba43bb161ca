//! Which functions of the host a table means.

use super::{Pci, near, virtual_function};
use crate::host::{Host, PciFunction};
use crate::plan::{Class, Draft, Problem};
use crate::profile::scene::Scene;
use crate::unit::{Bdf, PathStep, PciSelector, UsbId};

/// A function that the guest gets.
pub(in crate::profile) struct Passed<'a> {
    /// Key path of its table, like `pci[0]`.
    pub(super) key: String,
    /// Key path of what names it, like `pci[0].host`.
    pub(in crate::profile) at: String,
    /// Its table.
    pub(super) table: &'a Pci,
    /// The function.
    pub(in crate::profile) function: &'a PciFunction,
    /// How many functions its table means.
    pub(super) mates: usize,
}

impl Passed<'_> {
    pub(in crate::profile) fn bdf(&self) -> Bdf {
        self.function.bdf
    }

    /// Id of its device in QEMU.
    pub(super) fn id(&self) -> String {
        let table = self.key.replace(['[', ']'], "");
        if self.mates == 1 { table } else { format!("{table}.{}", self.bdf().function()) }
    }
}

/// The functions that all tables mean, in their order. What cannot be found is a problem, and so is what is meant twice.
pub(super) fn all<'a>(tables: &'a [Pci], scene: &Scene<'a>, draft: &mut Draft) -> Vec<Passed<'a>> {
    let mut passed: Vec<Passed<'a>> = Vec::new();
    for (i, table) in tables.iter().enumerate() {
        let key = format!("pci[{i}]");
        let Some((name, selector)) = named(table, &key, draft) else { continue };
        let at = format!("{key}.{name}");
        let found = match selector.functions(&at, scene.host) {
            Ok(found) => found,
            Err(problem) => {
                draft.refuse(*problem);
                continue;
            }
        };
        let mates = found.len();
        for function in found {
            if let Some(first) = passed.iter().find(|earlier| earlier.bdf() == function.bdf) {
                let what = format!("{} is passed twice, by {} and {key}", function.bdf, first.key);
                draft.refuse(Problem::new(Class::Invalid, &at, what));
                continue;
            }
            passed.push(Passed { key: key.clone(), at: at.clone(), table, function, mates });
        }
    }
    passed
}

/// The functions that all tables mean, as far as they can be found; what is wrong is told where they are drafted.
pub(in crate::profile) fn meant<'h>(tables: &[Pci], host: &'h Host) -> Vec<&'h PciFunction> {
    tables.iter().flat_map(|table| found(table, host)).collect()
}

/// The same for one table.
pub(super) fn found<'h>(table: &Pci, host: &'h Host) -> Vec<&'h PciFunction> {
    let found = names(table).into_iter().filter_map(|(_, named)| named.functions("", host).ok());
    found.flatten().collect()
}

/// What names a device.
enum Named {
    Selector(PciSelector),
    ControllerOf(UsbId),
    /// The virtual function of this number.
    VirtualOf(PciSelector, u16),
}

/// The keys of `table` that name its device.
fn names(table: &Pci) -> Vec<(&'static str, Named)> {
    let host = table.host.map(|bdf| ("host", Named::Selector(PciSelector::Function(bdf))));
    let device = table.device.clone().map(|selector| ("device", Named::Selector(selector)));
    let usb = table.usb_controller_of.map(|id| ("usb_controller_of", Named::ControllerOf(id)));
    let number = table.virtfn.unwrap_or_default();
    let physfn = table.physfn.clone().map(|card| ("physfn", Named::VirtualOf(card, number)));
    [host, device, usb, physfn].into_iter().flatten().collect()
}

/// The one key of `table` that names its device.
fn named(table: &Pci, key: &str, draft: &mut Draft) -> Option<(&'static str, Named)> {
    let mut given = names(table);
    match given.len() {
        1 => given.pop(),
        0 => {
            let problem =
                Problem::new(Class::Invalid, key, "no host, device, usb_controller_of or physfn says what is passed");
            draft.refuse(problem.fix("device = \"01:00\"   # vmrun host lists the addresses"));
            None
        }
        _ => {
            let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
            let what = format!("{} each say what is passed", names.join(" and "));
            draft.refuse(Problem::new(Class::Invalid, key, what).fix("leave out all but one of them"));
            None
        }
    }
}

impl Named {
    fn functions<'h>(&self, at: &str, host: &'h Host) -> Result<Vec<&'h PciFunction>, Box<Problem>> {
        match self {
            Self::Selector(selector) => selected(at, selector, host),
            Self::ControllerOf(id) => super::usb::controller_of(at, *id, host).map(|found| vec![found]),
            Self::VirtualOf(card, number) => virtual_function::find(at, card, *number, host).map(|found| vec![found]),
        }
    }
}

/// The functions that `selector` means.
pub(super) fn selected<'h>(
    at: &str,
    selector: &PciSelector,
    host: &'h Host,
) -> Result<Vec<&'h PciFunction>, Box<Problem>> {
    match selector {
        PciSelector::Function(bdf) => {
            host.function(*bdf).map(|found| vec![found]).ok_or_else(|| Box::new(absent(at, *bdf, host)))
        }
        PciSelector::Device(bdf) => device(at, *bdf, host),
        PciSelector::Path(port, steps) => walk(at, *port, steps, host),
        PciSelector::Ids { vendor, device } => by_ids(at, *vendor, *device, host),
        PciSelector::Slot(name) => by_slot(at, name, host),
    }
}

fn impossible(at: &str, what: String) -> Problem {
    Problem::new(Class::Impossible, at, what)
}

/// There is nothing at `bdf`, and nothing is known of what was there.
fn absent(at: &str, bdf: Bdf, host: &Host) -> Problem {
    let displays: Vec<_> = host
        .pci
        .iter()
        .filter(|function| super::is_display(function))
        .map(|function| function.bdf.to_string())
        .collect();
    let why =
        if displays.is_empty() { String::new() } else { format!("graphics cards are at {}", displays.join(", ")) };
    let list = "vmrun host groups   # lists the addresses; they change when cards are moved";
    let fix = near::to(bdf, host).map_or_else(|| list.to_owned(), |meant| format!("{}\n{list}", near::line(at, meant)));
    impossible(at, format!("there is no PCI function {bdf}")).why(why).fix(fix)
}

fn device<'h>(at: &str, first: Bdf, host: &'h Host) -> Result<Vec<&'h PciFunction>, Box<Problem>> {
    let found: Vec<_> = host.pci.iter().filter(|function| function.bdf.same_device(first)).collect();
    if found.is_empty() { Err(Box::new(absent(at, first, host))) } else { Ok(found) }
}

fn walk<'h>(at: &str, port: Bdf, steps: &[PathStep], host: &'h Host) -> Result<Vec<&'h PciFunction>, Box<Problem>> {
    let mut above = port;
    for PathStep { device, function } in steps {
        let behind = |other: &&PciFunction| {
            other.parent == Some(above)
                && other.bdf.device() == *device
                && function.is_none_or(|function| other.bdf.function() == function)
        };
        let found: Vec<_> = host.pci.iter().filter(behind).collect();
        let Some(first) = found.first() else {
            let what = format!("there is no device {device:02x} behind {above}");
            return Err(Box::new(impossible(at, what).fix("vmrun host   # lists the addresses")));
        };
        above = first.bdf;
        if function.is_none() {
            return Ok(found);
        }
    }
    host.function(above).map(|found| vec![found]).ok_or_else(|| Box::new(absent(at, above, host)))
}

fn by_ids<'h>(at: &str, vendor: u16, device_id: u16, host: &'h Host) -> Result<Vec<&'h PciFunction>, Box<Problem>> {
    let found: Vec<_> = host.pci.iter().filter(|other| (other.vendor, other.device) == (vendor, device_id)).collect();
    match &found[..] {
        [] => {
            let what = format!("no PCI function of this host is {vendor:04x}:{device_id:04x}");
            Err(Box::new(impossible(at, what).fix("lspci -nn   # lists the ids")))
        }
        [first, rest @ ..] if rest.iter().all(|other| other.bdf.same_device(first.bdf)) => device(at, first.bdf, host),
        _ => {
            let first = found[0].bdf.to_string();
            let what = format!("{} functions of this host are {vendor:04x}:{device_id:04x}", found.len());
            let list: Vec<_> = found.iter().map(|function| candidate(function)).collect();
            let fix = format!("device = \"{}\"", first.rsplit_once('.').map_or(first.as_str(), |(device, _)| device));
            Err(Box::new(impossible(at, what).why(list.join("\n")).fix(fix)))
        }
    }
}

/// What tells one of several equal devices from the others.
fn candidate(function: &PciFunction) -> String {
    let mut facts = vec![function.bdf.to_string()];
    facts.extend(function.slot.as_ref().map(|slot| format!("in slot {slot}")));
    facts.extend(function.parent.map(|port| format!("behind {port}")));
    facts
        .push(function.driver.as_ref().map_or_else(|| "without a driver".into(), |driver| format!("held by {driver}")));
    if function.boot_vga {
        facts.push("the firmware's picture is on it".into());
    }
    facts.extend(function.uses.iter().map(ToString::to_string));
    facts.join(", ")
}

fn by_slot<'h>(at: &str, name: &str, host: &'h Host) -> Result<Vec<&'h PciFunction>, Box<Problem>> {
    let found: Vec<_> = host.pci.iter().filter(|function| function.slot.as_deref() == Some(name)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let mut slots: Vec<_> = host.pci.iter().filter_map(|function| function.slot.as_deref()).collect();
    slots.dedup();
    let why = if slots.is_empty() {
        "the firmware of this host names no slots".to_owned()
    } else {
        format!("slots with a card are {}", slots.join(", "))
    };
    let what = format!("no slot of this host that has a card is called {name}");
    Err(Box::new(impossible(at, what).why(why).fix("device = \"01:00\"   # by address; lspci lists them")))
}
