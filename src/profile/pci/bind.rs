//! Taking functions from the host's drivers, and what has to be changed of each around that.

use super::{Passed, rebar, reset, vfio_driver, virtual_function};
use crate::host::{Host, Module, PciFunction};
use crate::plan::{Access, Binding, Change, Class, Draft, Lot, Presence, Problem, VFIO};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Drafts the load of vfio-pci. Before everything that is not so easily put back.
pub(super) fn draft_module(passed: &[Passed], host: &Host, draft: &mut Draft) {
    if passed.is_empty() {
        return;
    }
    judge_module(host, draft);
    let mut load = |name: &str| {
        let (from, to) = (Presence::Absent, Presence::Present);
        draft.contents.changes.push(Change::Module { name: name.into(), from, to });
    };
    if host.modules.get("vfio_pci") == Some(&Module::Available) {
        load(VFIO);
    }
    let unheld = passed.iter().filter(|one| !binding(one.function).is_vfio());
    let variants: BTreeSet<_> = unheld.map(vfio_driver::of).filter(|driver| *driver != VFIO).collect();
    variants.into_iter().for_each(load);
}

/// Drafts the changes that give `passed` to vfio-pci, the last function of a device first, since sound and USB of a card
/// live on what its first function switches.
pub(super) fn draft(passed: &[Passed], host: &Host, draft: &mut Draft) {
    judge_rights(passed, host, draft);
    judge_nodes(passed, host, draft);
    passed.iter().filter(|one| !one.function.bridge).for_each(|one| open(one, draft));
    for one in passed.iter().rev().filter(|one| !one.function.bridge) {
        let mut changes = function(one, host, draft);
        draft.contents.changes.append(&mut changes);
    }
}

fn judge_module(host: &Host, draft: &mut Draft) {
    if host.modules.get("vfio_pci") == Some(&Module::Missing) {
        draft.refuse(
            Problem::new(Class::Missing, "pci", "the running kernel has no module vfio-pci")
                .why("it gives devices to QEMU")
                .fix("install the package with the kernel's modules; after an update of the kernel, restart"),
        );
    }
}

/// Only root moves drivers. A function that vfio-pci has since the host's start needs nobody's help.
fn judge_rights(passed: &[Passed], host: &Host, draft: &mut Draft) {
    let mut held: BTreeMap<&str, Vec<&Passed>> = BTreeMap::new();
    for one in passed.iter().filter(|one| host.euid != 0 && !binding(one.function).is_vfio()) {
        held.entry(&one.at).or_default().push(one);
    }
    for (at, functions) in held {
        draft.refuse(not_root(at, &functions, host));
    }
}

/// QEMU runs as vmrun's user, and opens the nodes itself.
fn judge_nodes(passed: &[Passed], host: &Host, draft: &mut Draft) {
    let mut told = BTreeSet::new();
    for one in passed.iter().filter(|one| host.euid != 0 && binding(one.function).is_vfio()) {
        for node in nodes(one).into_iter().filter(|node| host.vfio_denied.contains(node)) {
            if told.insert(node.clone()) {
                draft.refuse(denied(one, &node, host));
            }
        }
    }
}

/// What QEMU opens for a function: the container and the group, or what iommufd has in their place.
fn nodes(one: &Passed) -> Vec<PathBuf> {
    let PciFunction { iommu_group, vfio_device, .. } = one.function;
    if one.table.iommufd {
        let device = vfio_device.iter().map(|name| format!("/dev/vfio/devices/{name}").into());
        return device.chain([PathBuf::from("/dev/iommu")]).collect();
    }
    let group = iommu_group.iter().map(|group| format!("/dev/vfio/{group}").into());
    group.chain([PathBuf::from("/dev/vfio/vfio")]).collect()
}

/// Notes what QEMU opens for a function.
fn open(one: &Passed, draft: &mut Draft) {
    let at = one.key.as_str();
    if one.table.iommufd {
        let folder = format!("/sys/bus/pci/devices/{}/vfio-dev", one.bdf());
        draft.opens(at, folder, Access::Write, Lot::Device);
        draft.opens(at, "/dev/iommu", Access::Write, Lot::Inherited);
        return;
    }
    if let Some(group) = one.function.iommu_group {
        draft.opens(at, format!("/dev/vfio/{group}"), Access::Write, Lot::Device);
    }
    draft.opens(at, "/dev/vfio/vfio", Access::Write, Lot::Common);
}

fn denied(one: &Passed, node: &Path, host: &Host) -> Problem {
    let user = login(host);
    let node = node.display();
    let rule = match node.to_string().as_str() {
        "/dev/vfio/vfio" => "KERNEL==\"vfio\", SUBSYSTEM==\"misc\", MODE=\"0666\"".to_owned(),
        "/dev/iommu" => format!("KERNEL==\"iommu\", SUBSYSTEM==\"misc\", OWNER=\"{user}\""),
        other if other.starts_with("/dev/vfio/devices/") => format!("SUBSYSTEM==\"vfio-dev\", OWNER=\"{user}\""),
        _ => format!("SUBSYSTEM==\"vfio\", OWNER=\"{user}\""),
    };
    Problem::new(Class::Denied, &one.at, format!("user {} may not open {node} for reading and writing", host.euid))
        .why(format!("QEMU reaches {} by it", one.bdf()))
        .fix(format!(
            "chown {user} {node}   # as root, until the host starts anew\n\
             # or for ever, by /etc/udev/rules.d/10-vmrun.rules:\n\
             {rule}"
        ))
}

/// The user that vmrun runs as.
fn login(host: &Host) -> &str {
    host.users.iter().find(|user| user.uid == host.euid).map_or("YOU", |user| user.name.as_str())
}

fn not_root(at: &str, functions: &[&Passed], host: &Host) -> Problem {
    let holder = |one: &&Passed| match &one.function.driver {
        None if virtual_function::is_to_come(one, host) => format!("{} is still to be made", one.bdf()),
        Some(driver) => format!("{} is held by {driver}", one.bdf()),
        None => format!("{} has no driver", one.bdf()),
    };
    let rule = |one: &&Passed| {
        let bdf = one.bdf();
        format!("ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{bdf}\", ATTR{{driver_override}}=\"{VFIO}\"\n")
    };
    let user = login(host);
    let held: Vec<_> = functions.iter().map(holder).collect();
    let mut there = functions.iter().filter(|one| !virtual_function::is_to_come(one, host)).peekable();
    if there.peek().is_none() {
        return Problem::new(Class::Denied, at, format!("{}; only root can do that", held.join(", ")))
            .why(format!("vmrun runs as user {}", host.euid))
            .fix("run vmrun as root, by sudo or pkexec");
    }
    let rules: String = there.map(rule).collect();
    Problem::new(Class::Denied, at, format!("{}; only root can give it to {VFIO}", held.join(", ")))
        .why(format!("vmrun runs as user {}", host.euid))
        .fix(format!(
            "run vmrun as root, by sudo or pkexec\n\
             # or have it given at every start of the host, by /etc/udev/rules.d/10-vmrun.rules:\n\
             {rules}SUBSYSTEM==\"vfio\", OWNER=\"{user}\""
        ))
}

fn binding(function: &PciFunction) -> Binding {
    Binding { driver: function.driver.clone(), override_: function.driver_override.clone(), stays: false }
}

fn function(one: &Passed, host: &Host, draft: &mut Draft) -> Vec<Change> {
    let Passed { function, .. } = one;
    let bdf = function.bdf;
    let folder = format!("/sys/bus/pci/devices/{bdf}");
    let attribute = |name: &str, from: &str, to: &str| Change::Attribute {
        path: format!("{folder}/{name}"),
        from: from.into(),
        to: to.into(),
    };
    let mut changes = Vec::new();
    let awake = !one.table.allow_d3 && host.euid == 0;
    let sleeps = function.power_control.as_deref() == Some("auto");
    if awake && function.d3cold_allowed == Some(true) {
        changes.push(attribute("d3cold_allowed", "1", "0"));
    }
    if awake && sleeps {
        changes.push(attribute("power/control", "auto", "on"));
    }
    changes.extend(reset::changes(one, draft));
    let driver = vfio_driver::of(one);
    let (from, free, to) = (binding(function), Binding::reserved(driver), Binding::only(driver));
    // Held by vfio-pci or a variant of it before, it is only looked at.
    let to = if from.is_vfio() { from.clone() } else { to };
    let resized = rebar::changes(one, draft);
    let to = if one.table.persist && !from.is_vfio() { to.staying() } else { to };
    if one.table.persist && !resized.is_empty() {
        let what = "a device that stays with its VFIO driver cannot get its BARs back as they were";
        let problem = Problem::new(Class::Invalid, format!("{}.persist", one.key), what);
        draft.refuse(problem.why("their size changes only without a driver").fix("leave persist or rebar out"));
    }
    if resized.is_empty() {
        changes.push(Change::Driver { bdf, from: from.clone(), to });
    } else {
        let free = if from == to { Binding { driver: None, ..from.clone() } } else { free };
        changes.push(Change::Driver { bdf, from: from.clone(), to: free.clone() });
        changes.extend(resized);
        changes.push(Change::Driver { bdf, from: free, to });
    }
    // vfio-pci lets an idle function sleep when it takes it, and forbids that when it lets go; `pm_runtime_allow` in
    // `drivers/vfio/pci/vfio_pci_core.c`.
    if awake && function.power_control.is_some() && !from.is_vfio() {
        changes.push(attribute("power/control", "auto", "on"));
    }
    changes
}
