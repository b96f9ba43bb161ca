//! Whether devices can be reset, without which a guest gets them once.

use super::advice::module_option;
use super::{Check, Found, Subject, folder, named, ok, warn};
use crate::host::{Module, PciFunction};
use std::ops::RangeInclusive;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "reset",
        why: "a device that cannot be reset stays as the guest left it: its next start fails until the host reboots",
        of_profiles: true,
        judge: resettable,
    },
    Check {
        id: "amd-reset",
        why: "these cards do not come back from the kernel's own reset: the second start hangs with \"Code 127\"",
        of_profiles: true,
        judge: amd,
    },
    Check {
        id: "idle-d3",
        why: "some cards do not wake from D3cold and then read as all ones, \"unknown header type 7f\"",
        of_profiles: true,
        judge: idle,
    },
];

/// The graphics cards that a guest gets; with a profile all that it passes.
fn judged<'a>(subject: &Subject<'a>) -> Vec<&'a PciFunction> {
    match subject.passed {
        Some(passed) => subject.host.pci.iter().filter(|function| passed.contains(&function.bdf)).collect(),
        None => subject.candidates(),
    }
}

fn resettable(subject: &Subject<'_>) -> Vec<Found> {
    let functions = judged(subject);
    let one = |function: &&PciFunction| {
        let read = format!("{}/reset, reset_method", folder(function));
        if function.resettable {
            let ways = function.reset_methods.join(", ");
            let ways = if ways.is_empty() { String::new() } else { format!(" ({ways})") };
            return ok(format!("{} can be reset{ways}", named(function)), read);
        }
        let siblings = subject.host.pci.iter().filter(|other| other.bdf.same_device(function.bdf));
        if siblings.clone().any(|other| other.resettable) && function.bdf.function() != 0 {
            return ok(format!("{} is reset with its device", named(function)), read);
        }
        warn(
            format!("{} has no reset", named(function)),
            read,
            "another controller or card; or reboot the host between two starts of the guest",
        )
    };
    functions.iter().flat_map(one).collect()
}

/// Models that the module vendor-reset was written for, by the families in its `src/device-db.h`.
const BROKEN: [(RangeInclusive<u16>, &str); 9] = [
    (0x67c0..=0x67df, "Polaris 10"),
    (0x6fdf..=0x6fdf, "Polaris 10"),
    (0x67e0..=0x67ff, "Polaris 11"),
    (0x6980..=0x699f, "Polaris 12"),
    (0x6860..=0x687f, "Vega 10"),
    (0x66a0..=0x66af, "Vega 20"),
    (0x7310..=0x731f, "Navi 10"),
    (0x7340..=0x734f, "Navi 14"),
    (0x7360..=0x7362, "Navi 12"),
];

fn amd(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/module/vendor_reset, reset_method";
    let one = |card: &PciFunction| {
        let family = BROKEN.iter().find(|(ids, _)| card.vendor == 0x1002 && ids.contains(&card.device));
        let Some((_, family)) = family else {
            return ok(format!("{} is not of a family that is known to fail", named(card)), read);
        };
        let loaded = subject.host.modules.get("vendor_reset") == Some(&Module::Loaded);
        // Since Linux 5.15 the module only counts when its way is chosen.
        let chosen = card.reset_methods.first().is_some_and(|way| way == "device_specific");
        match (loaded, chosen || card.reset_methods.is_empty()) {
            (true, true) => ok(format!("vendor-reset takes care of {}", named(card)), read),
            (true, false) => warn(
                format!(
                    "vendor-reset is loaded, and {} is reset by {} first",
                    named(card),
                    card.reset_methods.join(", ")
                ),
                read,
                format!("echo device_specific | sudo tee {}/reset_method", folder(card)),
            ),
            (false, _) => warn(
                format!("{} is of the family {family}, whose reset fails", named(card)),
                read,
                "install the module vendor-reset (github.com/gnif/vendor-reset, or your distribution's DKMS package), \
                 then:\nsudo modprobe vendor-reset",
            ),
        }
    };
    subject.candidates().into_iter().flat_map(one).collect()
}

fn idle(subject: &Subject<'_>) -> Vec<Found> {
    let read = "d3cold_allowed and power_state of each, /sys/module/vfio_pci/parameters/disable_idle_d3";
    let off = subject.host.system.vfio.get("vfio_pci.disable_idle_d3").map(String::as_str) == Some("Y");
    // Only a card that vfio-pci holds with nobody using it is put to sleep by it.
    let asleep: Vec<_> = judged(subject)
        .into_iter()
        .filter(|function| function.driver.as_deref() == Some("vfio-pci") && function.d3cold_allowed == Some(true))
        .map(named)
        .collect();
    match (off, asleep.is_empty()) {
        (true, _) => ok("vfio-pci leaves idle devices awake", read),
        (false, true) => ok("no device that vfio-pci holds may fall into D3cold", read),
        (false, false) => warn(
            format!("vfio-pci may put {} to sleep while no guest has it", asleep.join(", ")),
            read,
            format!("only if it does not come back:\n{}", module_option("vfio-pci", "disable_idle_d3=1")),
        ),
    }
}
