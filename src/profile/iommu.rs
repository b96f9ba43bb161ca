//! Whether the host can give a PCI function away: it is there, it has an IOMMU group, and the group goes whole.

use super::host_vendor::HostVendor;
use super::pci::Pci;
use super::scene::Scene;
use crate::host::{Host, PciFunction};
use crate::plan::{Class, Draft, Problem};

/// The driver that gives a function to QEMU.
const VFIO: &str = "vfio-pci";

/// Class code of a PCI bridge, without its interface byte; a bridge stays with the host.
const PCI_BRIDGE: u32 = 0x0604;

pub(super) fn judge(functions: &[Pci], scene: &Scene, draft: &mut Draft) {
    for (i, Pci { host: bdf, .. }) in functions.iter().enumerate() {
        let key = format!("pci[{i}].host");
        let Some(function) = scene.host.function(*bdf) else {
            draft.refuse(
                Problem::new(Class::Impossible, key, format!("there is no PCI function {bdf}"))
                    .fix("lspci -Dnn   # lists the addresses; they change when cards are moved"),
            );
            continue;
        };
        match function.iommu_group {
            None => draft.refuse(no_group(function, &key, scene.host)),
            Some(group) => judge_group(group, function, &key, functions, scene, draft),
        }
        judge_driver(function, &key, draft);
    }
}

fn no_group(function: &PciFunction, key: &str, host: &Host) -> Problem {
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
    Problem::new(Class::Impossible, key, format!("{} has no IOMMU group", function.bdf))
        .why("the IOMMU is off or not present; without it a guest's device could write to all of the host's memory")
        .fix(fix)
}

fn judge_group(group: u32, function: &PciFunction, key: &str, passed: &[Pci], scene: &Scene, draft: &mut Draft) {
    let held = |other: &&PciFunction| {
        other.iommu_group == Some(group)
            && other.class >> 8 != PCI_BRIDGE
            && !passed.iter().any(|pci| pci.host == other.bdf)
            && other.driver.as_deref().is_some_and(|driver| driver != VFIO && driver != "pci-stub")
    };
    for other in scene.host.pci.iter().filter(held) {
        let driver = other.driver.as_deref().unwrap_or_default();
        draft.refuse(
            Problem::new(
                Class::Impossible,
                key,
                format!("{} shares IOMMU group {group} with {}", function.bdf, other.bdf),
            )
            .why(format!("VFIO gives a guest whole groups, and {} is held by {driver}", other.bdf))
            .fix(format!("[[pci]]\nhost = \"{}\"", other.bdf)),
        );
    }
}

fn judge_driver(function: &PciFunction, key: &str, draft: &mut Draft) {
    let driver = function.driver.as_deref();
    if driver == Some(VFIO) {
        return;
    }
    let bdf = function.bdf;
    let sysfs = "/sys/bus/pci";
    let (what, unbind) = match driver {
        Some(driver) => (
            format!("{bdf} is held by {driver}, not by {VFIO}"),
            format!("echo {bdf} > {sysfs}/devices/{bdf}/driver/unbind\n"),
        ),
        None => (format!("{bdf} has no driver, not {VFIO}"), String::new()),
    };
    draft.warn(
        Problem::new(Class::Impossible, key, what)
            .why(format!("QEMU opens only what {VFIO} holds, and vmrun does not bind drivers yet"))
            .fix(format!(
                "echo {VFIO} > {sysfs}/devices/{bdf}/driver_override\n{unbind}echo {bdf} > {sysfs}/drivers_probe"
            )),
    );
}
