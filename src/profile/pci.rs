//! `[[pci]]`: PCI functions of the host that the guest gets whole.

use super::iommu;
use super::pci_place;
use super::pci_rom;
use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::{Bdf, PciSlot};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// A PCI function of the host that the guest gets whole, like a graphics card or its sound. QEMU's `vfio-pci`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pci {
    /// Its address on the host, as `lspci -D` prints it.
    pub(super) host: Bdf,
    /// Its address in the guest. vmrun chooses unless given, and keeps functions of one device together.
    pub(super) addr: Option<PciSlot>,
    /// Tells the guest that its device has more functions. Set where it is needed unless given.
    pub(super) multifunction: Option<bool>,
    /// Gives the guest the legacy VGA ranges of a graphics card, which only a guest with a BIOS needs.
    #[serde(default)]
    x_vga: bool,
    /// File with an option ROM instead of the function's own, for a card whose ROM the host's start has spoilt.
    rom: Option<PathBuf>,
    /// Shows the guest the option ROM. QEMU does unless given.
    rombar: Option<bool>,
}

impl Pci {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.rom.as_deref().map(|rom| setting.resolve(rom))
    }

    fn draft(&self, i: usize, place: &pci_place::Function, scene: &Scene, draft: &mut Draft) {
        let Self { host, addr: _, multifunction: _, x_vga, rom, rombar } = self;
        let key = format!("pci[{i}]");
        let mut device = json!({"driver": "vfio-pci", "id": format!("pci{i}"), "host": host.to_string()});
        place.place.onto(&mut device);
        if place.multifunction {
            device["multifunction"] = json!(true);
        }
        match (*x_vga, scene.uefi) {
            (true, false) => device["x-vga"] = json!(true),
            (true, true) => draft.warn(
                Problem::new(Class::Invalid, format!("{key}.x_vga"), "x_vga has no use under UEFI, and is left out")
                    .why("UEFI drives the card through its own ROM, not through the legacy VGA ranges")
                    .fix("leave x_vga out"),
            ),
            (false, _) => {}
        }
        if let Some(rom) = rom {
            let path = scene.file(rom, &format!("{key}.rom"), Class::Impossible, draft);
            pci_rom::judge(&format!("{key}.rom"), &path, *host, scene, draft);
            device["romfile"] = json!(path);
        }
        if let Some(rombar) = rombar {
            device["rombar"] = json!(u8::from(*rombar));
        }
        draft.contents.argv.device(&device, Origin::given(key));
    }
}

pub(super) fn draft(functions: &[Pci], scene: &Scene, draft: &mut Draft) {
    judge_twice(functions, draft);
    iommu::judge(functions, scene, draft);
    let places = pci_place::deal(functions, draft);
    for (i, (function, place)) in functions.iter().zip(&places).enumerate() {
        if let Some(place) = place {
            function.draft(i, place, scene, draft);
        }
    }
}

fn judge_twice(functions: &[Pci], draft: &mut Draft) {
    for (i, Pci { host, .. }) in functions.iter().enumerate() {
        if let Some(first) = functions[..i].iter().position(|earlier| earlier.host == *host) {
            let what = format!("{host} is passed twice, by pci[{first}] and pci[{i}]");
            draft.refuse(Problem::new(Class::Invalid, format!("pci[{i}].host"), what));
        }
    }
}
