//! `pci.rom`: whether the file is an option ROM of the card, and of use to the guest's firmware.

use super::scene::Scene;
use crate::plan::{Class, Draft, Problem};
use crate::unit::{Bdf, NoRom, OptionRom, RomVerdict};
use std::path::Path;

/// Base class of graphics cards.
const DISPLAY: u32 = 0x03;

/// Judges the file `path`, given at `key` for the function at `bdf`. A file that is not there is a problem of its own.
pub(super) fn judge(key: &str, path: &Path, bdf: Bdf, scene: &Scene, draft: &mut Draft) {
    let shown = path.display();
    let function = scene.host.function(bdf);
    let card = function.map(|function| (function.vendor, function.device));
    // Other functions, like a network card, are driven without their ROM.
    let needs_uefi = scene.uefi && function.is_none_or(|function| function.class >> 16 == DISPLAY);
    match scene.host.roms.get(path) {
        None => {}
        Some(Err(why)) => draft.refuse(none(key, &shown.to_string(), *why)),
        Some(Ok(rom)) => {
            if let Some(finding) = finding(rom, card, needs_uefi) {
                let Finding { verdict, refused, why } = finding;
                let problem = Problem::new(Class::Invalid, key, format!("{shown} {verdict}")).why(why);
                let problem = problem.fix(verdict.fix().replace("FILE", &shown.to_string()));
                if refused { draft.refuse(problem) } else { draft.warn(problem) }
            }
        }
    }
}

/// Something that stands against a ROM.
struct Finding {
    verdict: RomVerdict,
    refused: bool,
    why: &'static str,
}

fn none(key: &str, shown: &str, why: NoRom) -> Problem {
    Problem::new(Class::Invalid, key, format!("{shown} is no option ROM: {why}"))
        .why("the guest would start as if the card had no ROM")
        .fix("read one from the card with `vmrun rom dump`, or leave rom out")
}

/// What stands against `rom` for `card`, which may need a UEFI image; `None` when it is good.
fn finding(rom: &OptionRom, card: Option<(u16, u16)>, needs_uefi: bool) -> Option<Finding> {
    let verdict = RomVerdict::of(rom, card);
    let (refused, why) = match &verdict {
        RomVerdict::Uefi(_) => return None,
        // SeaBIOS runs the legacy image.
        RomVerdict::LegacyOnly(_) if !needs_uefi => return None,
        RomVerdict::LegacyOnly(_) | RomVerdict::OtherMachine(_) | RomVerdict::Nothing => (
            needs_uefi,
            "UEFI firmware runs UEFI images only: there is no picture before the guest's own driver starts",
        ),
        RomVerdict::OtherCard { .. } => {
            // Makers give relatives of one model one ROM now and then.
            let strange = card.is_some_and(|(vendor, _)| rom.images.iter().all(|image| image.vendor != vendor));
            (strange, "the driver in a ROM looks for the ids that it was made for, and leaves other cards alone")
        }
        RomVerdict::Header(_) => (true, "firmware looks for 55 aa in the first two bytes, and nowhere else"),
        RomVerdict::Damaged(_) => (true, "firmware that runs into the damage hangs, or leaves the card dark"),
    };
    Some(Finding { verdict, refused, why })
}
