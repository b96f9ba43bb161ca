//! Whether the host can give a function away: it has an IOMMU group, and the group goes whole.

use super::{Passed, virtual_function};
use crate::host::{Host, PciFunction};
use crate::plan::{Binding, Class, Draft, Problem};
use crate::profile::host_vendor::HostVendor;
use std::collections::BTreeSet;

pub(super) fn judge(passed: &[Passed], host: &Host, draft: &mut Draft) {
    let mut told = BTreeSet::new();
    for one in passed {
        let Passed { at, function, .. } = one;
        if function.bridge {
            let what = format!("{} is a bridge", function.bdf);
            draft.refuse(
                Problem::new(Class::Impossible, at, what)
                    .why("a bridge stays with the host, which reaches what is behind it through it")
                    .fix("name what is behind it"),
            );
            continue;
        }
        if function.locked {
            draft.refuse(
                Problem::new(Class::Busy, at, format!("{} hangs in the kernel", function.bdf))
                    .why("a driver was told to let go of it, or to take it, and has not come back")
                    .fix("end what uses it (`vmrun host groups` names it), or restart the host"),
            );
            continue;
        }
        // One that is made only then gets its group then, and none when the card has none.
        let card = virtual_function::maker(one.function, host).filter(|_| virtual_function::is_to_come(one, host));
        match card.unwrap_or(function).iommu_group {
            Some(_) if card.is_some() => {}
            None => {
                if told.insert((at, None)) {
                    draft.refuse(no_group(function, at, host));
                }
            }
            Some(group) => {
                if told.insert((at, Some(group))) {
                    judge_group(group, one, passed, host, draft);
                }
            }
        }
    }
}

fn no_group(function: &PciFunction, at: &str, host: &Host) -> Problem {
    let fix = match HostVendor::of(host) {
        HostVendor::Intel => "switch on VT-d in the firmware setup and add intel_iommu=on to the kernel command line",
        // The kernel has no `amd_iommu=on`; it uses the IOMMU it finds unless told `amd_iommu=off`.
        HostVendor::Amd => {
            "switch on AMD-Vi (IOMMU) in the firmware setup; remove amd_iommu=off from the kernel command line"
        }
        HostVendor::Other => {
            "switch on the IOMMU in the firmware setup, and for Intel add intel_iommu=on to the kernel command line"
        }
    };
    Problem::new(Class::Impossible, at, format!("{} has no IOMMU group", function.bdf))
        .why("the IOMMU is off or not present; without it a guest's device could write to all of the host's memory")
        .fix(fix)
}

/// Bridges and ports stay with the host whatever their group; VFIO takes no offence at their drivers.
fn judge_group(group: u32, one: &Passed, passed: &[Passed], host: &Host, draft: &mut Draft) {
    let Passed { at, function, .. } = one;
    let left_behind = |other: &&PciFunction| {
        other.iommu_group == Some(group)
            && !other.bridge
            && !passed.iter().any(|taken| taken.bdf() == other.bdf)
            && other.driver.as_deref().is_some_and(|driver| driver != "pci-stub" && !Binding::only(driver).is_vfio())
    };
    let offenders: Vec<_> = host.pci.iter().filter(left_behind).collect();
    if !offenders.is_empty() {
        draft.refuse(half_a_group(group, function, &offenders, at));
    }
    if host.iommu.direct.contains(&group) {
        let what =
            format!("{} is in IOMMU group {group}, in which the firmware reserves memory for itself", function.bdf);
        draft.refuse(
            Problem::new(Class::Impossible, at, what)
                .why("the kernel gives no device with such memory (RMRR) to a guest, since the firmware would write into it")
                .fix("put the card in another slot, or switch the firmware's use of it off (option ROM, remote management)"),
        );
    }
}

fn half_a_group(group: u32, function: &PciFunction, offenders: &[&PciFunction], at: &str) -> Problem {
    let held =
        |other: &&PciFunction| format!("{} is held by {}", other.bdf, other.driver.as_deref().unwrap_or_default());
    let names: Vec<_> = offenders.iter().map(|other| other.bdf.to_string()).collect();
    let held: Vec<_> = offenders.iter().map(held).collect();
    let pass: Vec<_> = names.iter().map(|bdf| format!("[[pci]]\nhost = \"{bdf}\"")).collect();
    let free: Vec<_> =
        offenders.iter().map(|other| format!("echo {} > /sys/bus/pci/devices/{0}/driver/unbind", other.bdf)).collect();
    let what = format!("{} shares IOMMU group {group} with {}", function.bdf, names.join(" and "));
    Problem::new(Class::Impossible, at, what)
        .why(format!("VFIO gives a guest whole groups, and {}", held.join(", and ")))
        .fix(format!(
            "{}\n# or without a driver:\n{}\n# or the card in a slot that has a group of its own",
            pass.join("\n"),
            free.join("\n")
        ))
}
