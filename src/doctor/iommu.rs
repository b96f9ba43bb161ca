//! The IOMMU, and what the kernel is told about it.
//!
//! Source: Linux `Documentation/admin-guide/kernel-parameters.txt`, `Documentation/arch/x86/iommu.rst`.

use super::advice::{add_argument, drop_argument};
use super::{Check, Found, Subject, fail, ok, warn};
use crate::host::Module;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "iommu",
        why: "a device of a guest writes to memory by itself; only the IOMMU keeps it within the guest's",
        of_profiles: false,
        judge: at_work,
    },
    Check {
        id: "iommu-arguments",
        why: "arguments that guides repeat and that do nothing, or the opposite, hide the one that is missing",
        of_profiles: false,
        judge: arguments,
    },
    Check {
        id: "interrupt-remapping",
        why: "without it a guest's device could send the host any interrupt, and VFIO refuses to give it away",
        of_profiles: true,
        judge: remapping,
    },
    Check {
        id: "no-iommu-mode",
        why: "in that mode VFIO gives devices away that nothing keeps from the host's memory",
        of_profiles: true,
        judge: no_iommu,
    },
    Check {
        id: "igfx-off",
        why: "it takes Intel's own graphics out of translation, which mends its HDMI sound and keeps it from guests",
        of_profiles: true,
        judge: igfx,
    },
    Check {
        id: "acs-override",
        why: "the groups are split by assertion: devices in \"their own\" group may still reach each other's memory",
        of_profiles: true,
        judge: acs,
    },
    Check {
        id: "vfio-modules",
        why: "vfio-pci is the driver that holds a device for a guest",
        of_profiles: false,
        judge: modules,
    },
];

const READ_ARGUMENTS: &str = "/proc/cmdline";

fn at_work(subject: &Subject<'_>) -> Vec<Found> {
    let (host, tables) = (subject.host, &subject.host.iommu.tables);
    let groups = host.pci.iter().filter_map(|function| function.iommu_group).max();
    let read = "/sys/class/iommu, /sys/kernel/iommu_groups, names in /sys/firmware/acpi/tables";
    if let (true, Some(last)) = (host.iommu.present, groups) {
        return ok(format!("the IOMMU is at work, with {} groups", last + 1), read);
    }
    let setup = if subject.is_intel() {
        "switch on VT-d in the firmware's setup (also called \"Intel Virtualization for Directed I/O\")"
    } else {
        "switch on IOMMU in the firmware's setup (AMD-Vi; \"Auto\" is often off), beside SVM"
    };
    if subject.is_intel() && !tables.is_empty() {
        let what = "the firmware describes an IOMMU (DMAR), and the kernel does not use it";
        return fail(what, read, add_argument(subject, "intel_iommu=on"));
    }
    let fix = match subject.is_intel() {
        true => format!("{setup}, and:\n{}", add_argument(subject, "intel_iommu=on")),
        false => setup.to_owned(),
    };
    fail("the IOMMU is off: there are no groups", read, fix)
}

fn arguments(subject: &Subject<'_>) -> Vec<Found> {
    if subject.host.system.command_line.is_empty() {
        return Vec::new();
    }
    let found: Vec<Found> = subject.arguments().flat_map(|argument| argued(subject, argument)).collect();
    match found.is_empty() {
        true => ok("nothing about the IOMMU that does nothing", READ_ARGUMENTS),
        false => found,
    }
}

/// What is wrong with one of the kernel's arguments.
fn argued(subject: &Subject<'_>, argument: &str) -> Vec<Found> {
    let intel = subject.is_intel();
    let told = format!("the kernel is told `{argument}`");
    let out = || drop_argument(subject, argument);
    match argument {
        "iommu=off" | "intel_iommu=off" | "amd_iommu=off" => fail(told, READ_ARGUMENTS, out()),
        "amd_iommu=on" => {
            let what = format!("{told}, which does nothing: AMD's IOMMU is on unless it is switched off");
            warn(what, READ_ARGUMENTS, out())
        }
        _ if argument.starts_with("intel_iommu=") && !intel && subject.host.system.cpu_vendor.is_some() => {
            warn(format!("{told}, and this processor is not Intel's"), READ_ARGUMENTS, out())
        }
        _ => Vec::new(),
    }
}

fn remapping(subject: &Subject<'_>) -> Vec<Found> {
    let read = "names of interrupt chips in /proc/interrupts, allow_unsafe_interrupts of vfio_iommu_type1";
    let unsafe_on = subject.host.system.vfio.get("vfio_iommu_type1.allow_unsafe_interrupts").map(String::as_str);
    match (subject.host.iommu.interrupt_remapping, unsafe_on) {
        (Some(false), Some("Y")) => warn(
            "the IOMMU does not remap interrupts, and VFIO is told to look away",
            read,
            "trust the guest as you trust root, or take out allow_unsafe_interrupts=1 and use newer hardware",
        ),
        (Some(false), _) => fail(
            "the IOMMU does not remap interrupts",
            read,
            "update the firmware, and switch x2APIC and interrupt remapping on in its setup; take `intremap=off` out of \
             the kernel's arguments\nonly for guests you trust as root: \
             options vfio_iommu_type1 allow_unsafe_interrupts=1",
        ),
        (Some(true), _) => ok("the IOMMU remaps interrupts", read),
        (None, _) => Vec::new(),
    }
}

fn no_iommu(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
    match subject.host.system.vfio.get("vfio.enable_unsafe_noiommu_mode").map(String::as_str) {
        None => Vec::new(),
        Some("Y") => fail(
            "VFIO's mode without an IOMMU is on",
            read,
            "take enable_unsafe_noiommu_mode=1 out of /etc/modprobe.d, and:\n\
             echo 0 | sudo tee /sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
        ),
        Some(_) => ok("VFIO gives nothing away without an IOMMU", read),
    }
}

fn igfx(subject: &Subject<'_>) -> Vec<Found> {
    if !subject.is_intel() || subject.host.system.command_line.is_empty() {
        return Vec::new();
    }
    let off = subject.arguments().find(|it| it.starts_with("intel_iommu=") && it.contains("igfx_off"));
    match off {
        Some(argument) => warn(
            format!("the kernel is told `{argument}`: Intel's graphics bypass the IOMMU"),
            READ_ARGUMENTS,
            format!(
                "needed only while the host's HDMI sound is gone without it; else:\n{}",
                drop_argument(subject, argument)
            ),
        ),
        None => ok("Intel's graphics are translated like all else", READ_ARGUMENTS),
    }
}

fn acs(subject: &Subject<'_>) -> Vec<Found> {
    if subject.host.system.command_line.is_empty() {
        return Vec::new();
    }
    match subject.arguments().find(|it| it.starts_with("pcie_acs_override=")) {
        Some(argument) => warn(
            format!("the kernel is told `{argument}`; one without the patch does not know it"),
            READ_ARGUMENTS,
            format!(
                "put the card into another slot and look at `vmrun host groups`; when it is alone there:\n{}",
                drop_argument(subject, argument)
            ),
        ),
        None => ok("groups are as the hardware isolates them", READ_ARGUMENTS),
    }
}

fn modules(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/module, /lib/modules/*/modules.dep, modules.builtin";
    let state = |name: &str| subject.host.modules.get(name);
    let wanted = ["vfio_pci", "vfio_iommu_type1"];
    if wanted.iter().all(|name| state(name).is_none()) {
        return Vec::new();
    }
    let missing: Vec<_> = wanted.into_iter().filter(|name| state(name) == Some(&Module::Missing)).collect();
    if missing.is_empty() {
        return ok("the kernel has vfio-pci", read);
    }
    fail(
        format!("the running kernel {} has no module {}", subject.host.system.kernel, missing.join(", ")),
        read,
        "reboot if the kernel was updated since; else install the distribution's full kernel",
    )
}
