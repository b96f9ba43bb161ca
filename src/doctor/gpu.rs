//! Graphics cards: which boots the machine, what is plugged into them, who holds them.

use super::advice::drop_argument;
use super::{Check, Found, Subject, folder, is_display, named, ok, warn};
use crate::host::{PciFunction, Use};
use std::collections::BTreeMap;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "second-gpu",
        why: "a card that a guest has shows nothing of the host",
        of_profiles: false,
        judge: second,
    },
    Check {
        id: "boot-gpu",
        why: "the firmware runs the ROM of the card it boots with, and leaves the guest a changed copy of it",
        of_profiles: true,
        judge: boot,
    },
    Check {
        id: "gpu-rom",
        why: "the guest's UEFI shows its picture with the driver in the card's ROM",
        of_profiles: true,
        judge: rom,
    },
    Check {
        id: "monitor",
        why: "a card without a monitor shows nothing, and some drivers do not start on it",
        of_profiles: true,
        judge: monitor,
    },
    Check {
        id: "gpu-held",
        why: "a driver lets go of a card only when no program holds it: unbinding waits, for ever if need be",
        of_profiles: false,
        judge: held,
    },
    Check {
        id: "boot-framebuffer",
        why: "who draws in the card's memory keeps it: vfio-pci says \"BAR: can't reserve\" and the guest stays black",
        of_profiles: true,
        judge: framebuffer,
    },
    Check {
        id: "identical-gpus",
        why: "vfio-pci.ids= names a model, not a card: it takes both",
        of_profiles: true,
        judge: identical,
    },
];

fn second(subject: &Subject<'_>) -> Vec<Found> {
    let read = "class of /sys/bus/pci/devices/*";
    let cards: Vec<_> = subject.cards().collect();
    match cards[..] {
        [] => warn("there is no graphics card", read, "a guest can do with an emulated one: vmrun explain display"),
        [only] => warn(
            format!("{} is the only graphics card", named(only)),
            read,
            "pass it and lose the host's picture meanwhile (`vmrun explain gpu`), or switch on the processor's own \
             graphics in the firmware's setup",
        ),
        _ => ok(format!("{} graphics cards", cards.len()), read),
    }
}

/// One answer for each card that a guest gets.
fn each(subject: &Subject<'_>, judge: impl Fn(&PciFunction) -> Vec<Found>) -> Vec<Found> {
    subject.candidates().into_iter().flat_map(judge).collect()
}

fn boot(subject: &Subject<'_>) -> Vec<Found> {
    each(subject, |card| {
        let read = format!("{}/boot_vga", folder(card));
        if card.boot_vga {
            return warn(
                format!("the machine boots with {}", named(card)),
                read,
                format!(
                    "let the firmware's setup boot with the other card (\"primary display\"), or give the guest a \
                     clean ROM:\n[[pci]]\ndevice = \"{}\"\nrom = \"…\"   # from `vmrun rom dump`",
                    card.bdf
                ),
            );
        }
        ok(format!("the machine does not boot with {}", named(card)), read)
    })
}

fn rom(subject: &Subject<'_>) -> Vec<Found> {
    each(subject, |card| {
        let read = format!("{}/resource, line 7", folder(card));
        match card.rom {
            Some(size) => ok(format!("{} has a ROM window of {size}", named(card)), read),
            // Nobody has looked: every card has registers.
            None if card.bars.is_empty() => Vec::new(),
            None => warn(
                format!("{} has no ROM of its own", named(card)),
                read,
                "the processor's graphics have theirs in the board's firmware; name one with pci.rom, or let the \
                 guest's driver make the first picture",
            ),
        }
    })
}

fn monitor(subject: &Subject<'_>) -> Vec<Found> {
    each(subject, |card| {
        let read = "/sys/class/drm/card*-*/status";
        let plugged: Vec<_> = card.connectors.iter().filter(|it| it.connected == Some(true)).collect();
        match (plugged.first(), card.connectors.is_empty()) {
            // While vfio-pci holds a card nobody can tell.
            (None, true) => Vec::new(),
            (None, false) => warn(
                format!("no monitor is plugged into {}", named(card)),
                read,
                "plug one in, a second cable of the same monitor, or a dummy plug (with Looking Glass)",
            ),
            (Some(first), _) => {
                let name = first.monitor.as_deref().unwrap_or("a monitor");
                ok(format!("{name} is at {} of {}", first.name, card.bdf), read)
            }
        }
    })
}

fn held(subject: &Subject<'_>) -> Vec<Found> {
    each(subject, |card| {
        let read = "/proc/*/fd, as far as this user may look";
        let who: Vec<_> = card
            .holders
            .iter()
            .map(|holder| {
                let unit = holder.unit.as_deref().map_or(String::new(), |unit| format!(" in {unit}"));
                format!("{} {}{unit}", holder.program, holder.pid)
            })
            .collect();
        if who.is_empty() {
            return ok(format!("no program is seen to hold {}", named(card)), read);
        }
        let unit = card.holders.iter().find_map(|holder| holder.unit.as_deref()).filter(|it| it.ends_with(".service"));
        let fix = unit.map_or("end it before the guest starts".to_owned(), |unit| {
            format!("sudo systemctl stop {unit}\nor let vmrun do it for the guest's time: vmrun explain pci.stop_units")
        });
        warn(format!("{} is held by {}", named(card), who.join(", ")), read, fix)
    })
}

fn framebuffer(subject: &Subject<'_>) -> Vec<Found> {
    each(subject, |card| {
        let read = "/sys/class/graphics, /proc/iomem";
        let firmware = |used: &&Use| matches!(used, Use::Framebuffer { name } if is_firmware(name));
        match card.uses.iter().find(firmware) {
            Some(Use::Framebuffer { name }) => warn(
                format!("the firmware's framebuffer {name} draws on {}", named(card)),
                read,
                "for a card that no host driver is to have let the firmware boot with the other card; else vmrun takes \
                 it off when it may",
            ),
            _ => ok(format!("no framebuffer of the firmware is on {}", named(card)), read),
        }
    })
}

fn is_firmware(name: &str) -> bool {
    ["BOOTFB", "efifb", "simple", "vesafb", "EFI VGA"].iter().any(|part| name.contains(part))
}

fn identical(subject: &Subject<'_>) -> Vec<Found> {
    let mut models: BTreeMap<_, Vec<&PciFunction>> = BTreeMap::new();
    for card in subject.host.pci.iter().filter(|function| is_display(function)) {
        models.entry((card.vendor, card.device)).or_default().push(card);
    }
    let Some(((vendor, device), twins)) = models.into_iter().find(|(_, cards)| cards.len() > 1) else {
        return ok("no two graphics cards are of one model", "vendor and device of /sys/bus/pci/devices/*");
    };
    let ids = format!("{vendor:04x}:{device:04x}");
    let argument =
        subject.arguments().find(|it| it.replace('_', "-").starts_with("vfio-pci.ids=") && it.contains(&ids));
    let files = subject.boot.below("/etc/modprobe.d").find(|(_, text)| {
        text.lines().any(|line| line.trim_start().starts_with("options vfio") && line.contains(&ids))
    });
    let read = "/proc/cmdline, /etc/modprobe.d";
    let isolate = format!("sudo vmrun isolate --by-address {} --apply", twins[1].bdf);
    match (argument, files) {
        (Some(argument), _) => warn(
            format!("vfio-pci is to take {ids} at boot, and two cards have these ids"),
            read,
            format!("{}\nand bind one by its address:\n{isolate}", drop_argument(subject, argument)),
        ),
        (None, Some((path, _))) => warn(
            format!("{} has vfio-pci take {ids} at boot, and two cards have these ids", path.display()),
            read,
            format!("take it out there, and bind one by its address:\n{isolate}"),
        ),
        (None, None) => ok(format!("two cards are {ids}, and nothing binds by ids"), read),
    }
}
