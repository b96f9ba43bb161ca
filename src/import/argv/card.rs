//! `-vga`, and emulated cards among the devices.

use super::Line;
use super::opt::Opt;
use crate::import::page::{number, size};
use crate::import::xml;

/// Emulated cards by QEMU's names, as devices and as values of `-vga`.
const CARDS: [(&str, &str); 19] = [
    ("VGA", "std"),
    ("std", "std"),
    ("secondary-vga", "std"),
    ("qxl", "qxl"),
    ("qxl-vga", "qxl"),
    ("virtio", "virtio"),
    ("virtio-vga", "virtio"),
    ("virtio-gpu", "virtio"),
    ("virtio-gpu-pci", "virtio"),
    ("virtio-vga-gl", "virtio-gl"),
    ("virtio-gpu-gl-pci", "virtio-gl"),
    ("virtio-gpu-gl", "virtio-gl"),
    ("bochs-display", "bochs"),
    ("cirrus", "cirrus"),
    ("cirrus-vga", "cirrus"),
    ("vmware", ""),
    ("vmware-svga", ""),
    ("ramfb", ""),
    ("ati-vga", ""),
];

/// QEMU's devices of the cards that a profile names.
const DRIVERS: [(&str, &str); 6] = [
    ("std", "VGA"),
    ("qxl", "qxl-vga"),
    ("virtio", "virtio-vga"),
    ("virtio-gl", "virtio-vga-gl"),
    ("bochs", "bochs-display"),
    ("cirrus", "cirrus-vga"),
];

/// Whether `driver` is an emulated graphics card.
pub(super) fn is_card(driver: &str) -> bool {
    CARDS.iter().any(|(name, _)| *name == driver) && !matches!(driver, "std" | "virtio" | "cirrus" | "vmware")
}

impl Line<'_> {
    /// The emulated card; `None` when the line leaves it to QEMU.
    pub(super) fn emulated(&mut self, opts: &[Opt]) -> Option<String> {
        let mut chosen: Option<String> = None;
        for opt in opts {
            let name = match opt.name.as_str() {
                "vga" | "device" if opt.head == "none" => {
                    chosen = chosen.or(Some("none".into()));
                    continue;
                }
                "vga" => opt.head.clone(),
                "std-vga" => "std".into(),
                "device" if is_card(&opt.head) => opt.head.clone(),
                _ => continue,
            };
            let mib = opt.any(&["vgamem_mb"]).and_then(xml::number).map(|mib| mib << 20);
            let (own, bytes) = (opt.number("vram_size_mb").map(|mib| mib << 20), opt.any(&["vgamem", "max_hostmem"]));
            let bytes = bytes.and_then(xml::number);
            let heads = opt.number("max_outputs").filter(|heads| *heads > 1);
            let resolution = opt.get("xres").zip(opt.get("yres")).map(|(x, y)| format!("{x}x{y}"));
            let mut rest = opt.rest();
            rest.retain(|(key, _)| !matches!(key.as_str(), "id" | "bus" | "addr"));
            if chosen.as_deref().is_some_and(|card| card != "none") {
                opt.lost("there is one emulated card");
                continue;
            }
            let video = match CARDS.iter().find(|(card, _)| *card == name) {
                Some((_, video)) if !video.is_empty() => *video,
                _ => {
                    opt.lost(format!("vmrun has no card `{name}`; std takes its place"));
                    rest.clear();
                    "std"
                }
            };
            let driver = DRIVERS.iter().find(|(of, _)| *of == video).map_or(video, |(_, driver)| driver);
            for (key, value) in rest {
                opt.translated(format!("{key}={value}: passed on in [qemu] args"));
                self.args.extend(["-global".to_owned(), format!("{driver}.{key}={value}")]);
            }
            chosen = Some(video.into());
            let table = self.page.table("display");
            // The memory that the profile has a key for; a qxl has others besides.
            let memory = match video {
                "std" | "cirrus" => mib,
                "qxl" => own,
                _ => bytes,
            };
            let fits = memory.filter(|bytes| *bytes >= 1 << 20 && bytes.is_power_of_two());
            table.maybe("vram", fits.map(size));
            if (mib.is_some() || own.is_some() || bytes.is_some()) && fits.is_none() {
                opt.translated("the size of its memory is QEMU's own");
            }
            table.maybe("heads", heads.filter(|_| matches!(video, "qxl" | "virtio" | "virtio-gl")).map(number));
            table.maybe("resolution", resolution);
        }
        chosen
    }
}
