//! The functions that are taken: whole devices, and whole IOMMU groups.

use super::{Draft, Request};
use crate::host::PciFunction;
use crate::plan::{Class, Problem};
use crate::unit::Bdf;

/// Base class of graphics cards.
const DISPLAY: u32 = 0x03;

/// The functions of the devices asked for, by address. What else is in their groups must be asked for too.
pub(super) fn whole(pci: &[PciFunction], request: &Request, draft: &mut Draft) -> Vec<PciFunction> {
    for bdf in request.devices.iter().filter(|bdf| !pci.iter().any(|function| function.bdf.same_device(**bdf))) {
        let what = format!("there is no PCI device {bdf} on this host");
        draft.refuse(Problem::new(Class::Impossible, "", what).fix("`lspci -D` lists them"));
    }
    let asked = |bdf: Bdf| request.devices.iter().any(|device| device.same_device(bdf));
    let taken: Vec<_> = pci.iter().filter(|function| asked(function.bdf) && !function.bridge).cloned().collect();
    judge_bridges(pci, request, draft);
    judge_strangers(pci, &taken, draft);
    judge_screens(pci, request, &taken, draft);
    taken
}

fn judge_bridges(pci: &[PciFunction], request: &Request, draft: &mut Draft) {
    for function in pci.iter().filter(|function| request.devices.contains(&function.bdf) && function.bridge) {
        draft.refuse(
            Problem::new(Class::Impossible, "", format!("{} is a bridge, which stays with the host", function.bdf))
                .why("what lies behind it would go with it, and VFIO does not ask for it")
                .fix("name the device behind it"),
        );
    }
}

fn judge_strangers(pci: &[PciFunction], taken: &[PciFunction], draft: &mut Draft) {
    let grouped = |function: &&PciFunction| {
        function.iommu_group.is_some() && taken.iter().any(|mine| mine.iommu_group == function.iommu_group)
    };
    let strangers: Vec<_> =
        pci.iter().filter(|function| !function.bridge && !taken.contains(function)).filter(grouped).collect();
    if let [first, ..] = strangers.as_slice() {
        let names: Vec<_> = strangers.iter().map(|function| named(function)).collect();
        let more: Vec<_> = strangers.iter().map(|function| function.bdf.to_string()).collect();
        let group = first.iommu_group.unwrap_or_default();
        draft.refuse(
            Problem::new(Class::Impossible, "", format!("IOMMU group {group} has more in it: {}", names.join(", ")))
                .why("VFIO gives a guest whole groups; the host would lose these too")
                .fix(format!("name them as well: {}; or put the card into another slot", more.join(" "))),
        );
    }
}

fn named(function: &PciFunction) -> String {
    let driver = function.driver.as_deref().map_or("no driver".to_owned(), |driver| format!("driver {driver}"));
    format!("{} {:04x}:{:04x} ({driver})", function.bdf, function.vendor, function.device)
}

fn judge_screens(pci: &[PciFunction], request: &Request, taken: &[PciFunction], draft: &mut Draft) {
    let is_screen = |function: &&PciFunction| function.class >> 16 == DISPLAY;
    let left = pci.iter().filter(is_screen).any(|function| !taken.contains(function));
    let takes = taken.iter().find(is_screen);
    if let Some(card) = takes.filter(|_| !left && !request.headless) {
        draft.refuse(
            Problem::new(Class::Impossible, "", format!("{} is the host's only graphics card", card.bdf))
                .why("after a reboot the host would have no screen until this is taken back")
                .fix("leave it to `vmrun run`, which takes it for as long as a guest runs; or, for a host without screen, add --headless"),
        );
    }
    for card in taken.iter().filter(|function| left && function.boot_vga) {
        draft.note(
            Problem::new(
                Class::Impossible,
                "",
                format!("{} is the card that the firmware shows its screen on", card.bdf),
            )
            .why("the boot messages stop there, and the ROM that a guest gets may be spoilt")
            .fix("choose the other card in the firmware's setup"),
        );
    }
}
