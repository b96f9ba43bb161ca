//! Whether a guest can have the devices of an IOMMU group, and what speaks against it.

use crate::host::{Host, PciFunction, Use};
use crate::unit::{Bdf, PciSelector};
use serde::Serialize;

/// What would happen if a guest were given all that is in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// Why it cannot be given away; nothing when it can.
    pub(super) against: Vec<String>,
    /// What to think of before.
    pub(super) care: Vec<String>,
}

impl Verdict {
    /// In one word or two.
    pub(super) fn in_short(&self) -> &'static str {
        match (self.against.is_empty(), self.care.is_empty()) {
            (true, true) => "can be passed",
            (true, false) => "can be passed, with care",
            (false, _) => "stays on the host",
        }
    }
}

/// The functions that share a group with `function`, itself included; only itself where there are no groups.
pub(super) fn mates<'a>(host: &'a Host, function: &'a PciFunction) -> Vec<&'a PciFunction> {
    match function.iommu_group {
        Some(group) => host.pci.iter().filter(|other| other.iommu_group == Some(group)).collect(),
        None => vec![function],
    }
}

/// The verdict on the functions of one group.
pub(super) fn of(host: &Host, functions: &[&PciFunction]) -> Verdict {
    let mut verdict = Verdict { against: Vec::new(), care: Vec::new() };
    let devices: Vec<_> = functions.iter().filter(|function| !function.bridge).copied().collect();
    match devices.first().map(|first| first.iommu_group) {
        None => verdict.against.push("bridges and ports belong to the host".to_owned()),
        Some(None) => verdict.against.push(without_group(host)),
        Some(Some(group)) if host.iommu.direct.contains(&group) => {
            let why = "the firmware keeps memory of its own for a device here (RMRR), and VFIO refuses such a group";
            verdict.against.push(why.to_owned());
        }
        Some(Some(_)) => {}
    }
    for function in &devices {
        judge(host, function, functions, &mut verdict);
    }
    verdict
}

fn without_group(host: &Host) -> String {
    if host.iommu.present { "the kernel made no IOMMU group for it" } else { "the IOMMU is off or not there" }
        .to_owned()
}

fn judge(host: &Host, function: &PciFunction, group: &[&PciFunction], verdict: &mut Verdict) {
    let bdf = function.bdf;
    verdict.against.extend(function.uses.iter().filter_map(|used| loss(bdf, used)));
    let shows = function.uses.iter().any(|used| matches!(used, Use::Console { .. } | Use::Framebuffer { .. }));
    if is_display(function) && !host.pci.iter().any(|other| is_display(other) && !is_in(group, other.bdf)) {
        verdict.care.push(format!("{bdf} is the only graphics card: the host has no picture meanwhile"));
    } else if shows {
        verdict.care.push(format!("{bdf} shows the host's console, which has to let go of it"));
    }
    if let Some(name) = only_keyboard(host, group).filter(|_| has_keyboard(function)) {
        verdict.care.push(format!("the only keyboard, {name}, is behind {bdf}"));
    }
    if !function.resettable && !reset_with_its_bus(host, function, group) {
        verdict.care.push(format!("{bdf} has no reset: a second start may need a reboot of the host"));
    }
    if !function.holders.is_empty() {
        verdict.care.push(format!("{bdf} is held by {}", held_by(function).join(", ")));
    }
}

/// Whether the bus that the function is on can be reset as a whole, which VFIO does when one guest has all that is on it.
fn reset_with_its_bus(host: &Host, function: &PciFunction, group: &[&PciFunction]) -> bool {
    // What is on a root bus has no bridge above it that could do it.
    function.parent.is_some()
        && host.pci.iter().filter(|other| other.parent == function.parent).all(|other| is_in(group, other.bdf))
}

/// What the host would lose with the function at `bdf`; `None` for what it can do without.
fn loss(bdf: Bdf, used: &Use) -> Option<String> {
    match used {
        Use::Mounted { device, at } => Some(format!("{device} on {bdf} is mounted at {}", at.display())),
        Use::Swap { device } => Some(format!("{device} on {bdf} is swapped to")),
        Use::Member { device, of } => Some(format!("{device} on {bdf} is part of {of}")),
        Use::DefaultRoute { link } => Some(format!("the default route leads over {link} on {bdf}")),
        Use::Keyboard { .. } | Use::Framebuffer { .. } | Use::Console { .. } => None,
    }
}

fn is_in(group: &[&PciFunction], bdf: Bdf) -> bool {
    group.iter().any(|function| function.bdf == bdf)
}

/// Base class of display controllers; PCI Code and ID Assignment Specification.
pub(super) fn is_display(function: &PciFunction) -> bool {
    function.class >> 16 == 0x03
}

fn has_keyboard(function: &PciFunction) -> bool {
    function.uses.iter().any(|used| matches!(used, Use::Keyboard { .. }))
}

/// A keyboard in `group`, when the host has no other outside of it.
pub(super) fn only_keyboard<'a>(host: &'a Host, group: &[&PciFunction]) -> Option<&'a str> {
    let inside = |function: Option<Bdf>| function.is_some_and(|bdf| is_in(group, bdf));
    let all_inside = host.keyboards.iter().all(|keyboard| inside(keyboard.function));
    host.keyboards.first().filter(|_| all_inside).map(|keyboard| keyboard.name.as_str())
}

/// Who holds the function, like `Xorg 812 (alice, session-2.scope)`.
pub(super) fn held_by(function: &PciFunction) -> Vec<String> {
    let who = |holder: &crate::host::PciHolder| {
        let of: Vec<_> = holder.user.iter().chain(&holder.unit).map(String::as_str).collect();
        let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
        format!("{} {}{of}", holder.program, holder.pid)
    };
    function.holders.iter().map(who).collect()
}

/// The lines of a profile that pass all devices among `functions`: a whole device by its address, else each function.
pub(super) fn lines(host: &Host, functions: &[&PciFunction]) -> Vec<String> {
    let whole = |bdf: Bdf| {
        let mut mates = host.pci.iter().filter(|other| other.bdf.same_device(bdf));
        mates.all(|mate| !mate.bridge && is_in(functions, mate.bdf))
    };
    let name = |bdf: Bdf| {
        let first = bdf.sibling(0).filter(|_| whole(bdf));
        let device = first.map(|first| format!("device = \"{}\"", short(PciSelector::Device(first))));
        device.unwrap_or_else(|| format!("host = \"{bdf}\""))
    };
    let mut names: Vec<_> = functions.iter().filter(|function| !function.bridge).map(|one| name(one.bdf)).collect();
    names.dedup();
    names.into_iter().flat_map(|name| ["[[pci]]".to_owned(), name]).collect()
}

/// Without the domain of most machines, as `lspci` prints it.
fn short(selector: PciSelector) -> String {
    let full = String::from(selector);
    full.strip_prefix("0000:").unwrap_or(&full).to_owned()
}
