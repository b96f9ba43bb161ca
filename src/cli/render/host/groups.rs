//! `vmrun host groups`: what must be passed together, and whether it can be.

use super::name;
use super::page::{BAD, CARE, FAINT, GOOD, PLAIN, Page};
use super::verdict::{self, Verdict};
use crate::host::{Host, PciFunction};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The groups by number; what has none comes first.
fn groups(host: &Host) -> BTreeMap<Option<u32>, Vec<&PciFunction>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for function in &host.pci {
        groups.entry(function.iommu_group).or_default().push(function);
    }
    groups
}

/// The page for people.
pub(in crate::cli) fn text(host: &Host, width: usize) -> String {
    let mut page = Page::new(width);
    write(host, &mut page);
    page.finish()
}

fn write(host: &Host, page: &mut Page) {
    if host.pci.is_empty() {
        return page.line("no PCI functions: this machine has no PCI bus that the kernel shows");
    }
    iommu(host, page);
    for (group, functions) in groups(host) {
        let verdict = verdict::of(host, &functions);
        page.gap();
        match group {
            Some(group) => page.head(&format!("group {group}: {}", verdict.in_short())),
            None => page.head("without a group: nothing here can be passed"),
        }
        for function in &functions {
            describe(function, page);
        }
        if group.is_some() {
            conclude(host, &functions, &verdict, page);
        }
    }
}

/// Facts about the IOMMU itself.
fn iommu(host: &Host, page: &mut Page) {
    if !host.iommu.present {
        page.styled(0, BAD, "no IOMMU is at work, so nothing can be passed: switch it on in the firmware's setup (VT-d, AMD-Vi), and on Intel boot with intel_iommu=on");
    } else if host.iommu.interrupt_remapping == Some(false) {
        page.styled(
            0,
            CARE,
            "the IOMMU does not remap interrupts: VFIO refuses every device unless told allow_unsafe_interrupts",
        );
    }
}

fn describe(function: &PciFunction, page: &mut Page) {
    page.styled(2, PLAIN, &format!("{}  {}: {}", function.bdf, name::class(function), name::device(function)));
    page.styled(4, FAINT, &facts(function).join("  "));
}

/// The short facts about a function, in the order in which people look for them.
fn facts(function: &PciFunction) -> Vec<String> {
    let mut facts = vec![format!("[{}]", name::ids(function))];
    facts.push(function.driver.clone().map_or("no driver".to_owned(), |driver| format!("driver {driver}")));
    facts.push(reset(function));
    if function.bridge {
        return facts;
    }
    facts.extend(function.locked.then(|| "hangs in the kernel".to_owned()));
    facts.extend(function.boot_vga.then(|| "boot VGA".to_owned()));
    facts.extend(function.numa_node.map(|node| format!("node {node}")));
    facts.extend(function.slot.as_ref().map(|slot| format!("slot {slot}")));
    facts.extend(function.driver_override.as_ref().map(|driver| format!("only for {driver}")));
    facts.extend(function.physfn.map(|parent| format!("virtual function of {parent}")));
    facts.extend(function.sriov.map(|vf| format!("{} of {} virtual functions", vf.enabled, vf.total)));
    facts
}

/// How it can be reset, with the seed's mark.
pub(super) fn reset(function: &PciFunction) -> String {
    match (function.resettable, function.reset_methods.as_slice()) {
        (false, _) => "no reset".to_owned(),
        (true, []) => "[RESET]".to_owned(),
        (true, methods) => format!("[RESET] {}", methods.join(", ")),
    }
}

/// The reasons and, where it can be passed, the lines for it.
pub(super) fn conclude(host: &Host, functions: &[&PciFunction], verdict: &Verdict, page: &mut Page) {
    if functions.iter().all(|function| function.bridge) {
        return;
    }
    for why in &verdict.against {
        page.row(2, "stays", BAD, why);
    }
    for what in &verdict.care {
        page.row(2, "care", CARE, what);
    }
    if verdict.against.is_empty() {
        page.paste(2, "profile", &verdict::lines(host, functions));
    }
}

/// How a verdict is coloured.
pub(super) fn style(verdict: &Verdict) -> anstyle::Style {
    match (verdict.against.is_empty(), verdict.care.is_empty()) {
        (true, true) => GOOD,
        (true, false) => CARE,
        (false, _) => BAD,
    }
}

/// The same for programs.
pub(in crate::cli) fn json(host: &Host) -> Value {
    let groups = groups(host).into_iter().map(|(group, functions)| {
        let verdict = verdict::of(host, &functions);
        json!({
            "group": group,
            "functions": functions,
            "can_be_passed": group.is_some() && verdict.against.is_empty(),
            "against": verdict.against,
            "care": verdict.care,
        })
    });
    json!({"iommu": host.iommu, "groups": groups.collect::<Vec<_>>()})
}
