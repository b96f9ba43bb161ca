//! Framebuffers and the text console on them.
//!
//! Source: Linux `Documentation/ABI/testing/sysfs-class-graphics`, `Documentation/driver-api/console.rst`,
//! `drivers/firmware/sysfb.c`.

use super::{Root, pci};
use crate::unit::Bdf;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Names of the firmware's framebuffer in `/proc/iomem`, by the drivers that reserve it.
const FIRMWARE: [&str; 5] = ["BOOTFB", "efifb", "simplefb", "simple-framebuffer", "vesafb"];

/// What shows the console, and on what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// Drivers of the text console.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drivers: Vec<VtConsole>,
    /// Framebuffers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub framebuffers: Vec<Framebuffer>,
}

/// A driver of the text console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VtConsole {
    /// Its folder in `/sys/class/vtconsole`, like `vtcon1`.
    pub name: String,
    /// What it calls itself, like `(M) frame buffer device`.
    pub driver: String,
    /// Whether it is at work.
    pub bound: bool,
}

impl VtConsole {
    /// Whether it draws on framebuffers.
    #[must_use]
    pub fn on_framebuffer(&self) -> bool {
        self.driver.contains("frame buffer")
    }
}

/// A framebuffer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framebuffer {
    /// Its folder in `/sys/class/graphics`, like `fb0`; the name of the memory for one that only `/proc/iomem` shows.
    pub name: String,
    /// What it calls itself, like `amdgpudrmfb` or `EFI VGA`.
    pub driver: String,
    /// The function whose memory it draws in; `None` when that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Bdf>,
    /// The platform device of a framebuffer that the firmware left, like `efi-framebuffer.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

impl Console {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The framebuffer that the text console shows on: the first one, `fbcon=map:` apart; `Documentation/fb/fbcon.rst`.
    #[must_use]
    pub fn shown(&self) -> Option<&Framebuffer> {
        self.framebuffers.iter().find(|framebuffer| framebuffer.name == "fb0").or(self.framebuffers.first())
    }
}

/// The console as the kernel shows it.
pub(super) fn read(root: &Root) -> Console {
    Console { drivers: drivers(root), framebuffers: framebuffers(root) }
}

fn drivers(root: &Root) -> Vec<VtConsole> {
    const CLASS: &str = "/sys/class/vtconsole";
    let names = root.names(CLASS).into_iter();
    names
        .filter_map(|name| {
            let text = |file: &str| root.text(format!("{CLASS}/{name}/{file}"));
            Some(VtConsole { driver: text("name")?, bound: text("bind").as_deref() == Some("1"), name })
        })
        .collect()
}

fn framebuffers(root: &Root) -> Vec<Framebuffer> {
    const CLASS: &str = "/sys/class/graphics";
    let firmware = firmware(root);
    let names = root.names(CLASS).into_iter().filter(|name| name.starts_with("fb") && name != "fbcon");
    let found: Vec<_> = names
        .map(|name| {
            let place = root.link(format!("{CLASS}/{name}")).unwrap_or_default();
            // The firmware's is a platform device, which before Linux 6.9 tells nothing of its function.
            let function = pci::behind(&place).or_else(|| firmware.as_ref()?.function);
            let driver = root.text(format!("{CLASS}/{name}/name")).unwrap_or_default();
            Framebuffer { driver, function, platform: platform(&place), name }
        })
        .collect();
    if found.is_empty() { firmware.into_iter().collect() } else { found }
}

/// The platform device among the parts of `place`.
fn platform(place: &Path) -> Option<String> {
    place.iter().filter_map(|part| part.to_str()).find(|part| part.contains("-framebuffer.")).map(str::to_owned)
}

/// The firmware's framebuffer, which lies in the memory of a function.
///
/// `/proc/iomem` hides addresses from all but root, but not what lies in what: that is told by two blanks for each
/// level.
fn firmware(root: &Root) -> Option<Framebuffer> {
    let map = root.text("/proc/iomem")?;
    let mut above: Vec<(usize, Bdf)> = Vec::new();
    for line in map.lines() {
        let depth = line.len() - line.trim_start().len();
        let name = line.split_once(" : ")?.1.trim();
        above.retain(|(other, _)| *other < depth);
        if let (true, Some((_, bdf))) = (FIRMWARE.contains(&name), above.last()) {
            let driver = "firmware".to_owned();
            return Some(Framebuffer { name: name.to_owned(), driver, function: Some(*bdf), platform: None });
        }
        above.extend(pci::address(name).map(|bdf| (depth, bdf)));
    }
    None
}

#[cfg(test)]
mod test {
    use super::{Framebuffer, read};
    use crate::host::tree::lay_out;

    #[test]
    fn the_console_shows_on_the_cards_own_framebuffer() {
        let tree = lay_out(&[
            ("/sys/devices/pci0000:00/0000:00:03.1/0000:0a:00.0/graphics/fb0/name", "amdgpudrmfb\n"),
            ("/sys/class/graphics/fbcon/rotate", "0\n"),
            ("/sys/class/vtconsole/vtcon0/name", "(S) dummy device\n"),
            ("/sys/class/vtconsole/vtcon0/bind", "0\n"),
            ("/sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n"),
            ("/sys/class/vtconsole/vtcon1/bind", "1\n"),
        ]);
        tree.link("/sys/class/graphics/fb0", "../../devices/pci0000:00/0000:00:03.1/0000:0a:00.0/graphics/fb0");
        let console = read(&tree.root);
        let told: Vec<_> = console.drivers.iter().map(|it| (it.name.as_str(), it.bound, it.on_framebuffer())).collect();
        assert_eq!(told, [("vtcon0", false, false), ("vtcon1", true, true)]);
        let shown = console.shown().unwrap();
        assert_eq!((shown.driver.as_str(), shown.function), ("amdgpudrmfb", Some("0000:0a:00.0".parse().unwrap())));
    }

    #[test]
    fn the_firmwares_framebuffer_is_found_in_the_memory_of_its_card() {
        let map = "00000000-00000000 : Reserved\n\
                   00000000-00000000 : PCI Bus 0000:00\n  \
                     00000000-00000000 : PCI Bus 0000:0a\n    \
                       00000000-00000000 : 0000:0a:00.0\n      \
                         00000000-00000000 : BOOTFB\n    \
                       00000000-00000000 : 0000:0a:00.1\n";
        let card = Some("0000:0a:00.0".parse().unwrap());
        let bare = lay_out(&[("/proc/iomem", map)]);
        let (name, driver) = ("BOOTFB".to_owned(), "firmware".to_owned());
        assert_eq!(read(&bare.root).framebuffers, [Framebuffer { name, driver, function: card, platform: None }]);

        let place = "/sys/devices/platform/efi-framebuffer.0/graphics/fb0/name";
        let driven = lay_out(&[("/proc/iomem", map), (place, "EFI VGA\n"), ("/sys/class/graphics/x", "")]);
        driven.link("/sys/class/graphics/fb0", "../../devices/platform/efi-framebuffer.0/graphics/fb0");
        let (name, driver) = ("fb0".to_owned(), "EFI VGA".to_owned());
        let platform = Some("efi-framebuffer.0".to_owned());
        assert_eq!(read(&driven.root).framebuffers, [Framebuffer { name, driver, function: card, platform }]);
    }
}
