//! Framebuffers and the text console on them.
//!
//! Source: Linux `Documentation/ABI/testing/sysfs-class-graphics`, `Documentation/driver-api/console.rst`,
//! `drivers/firmware/sysfb.c`.

use super::super::super::Root;
use super::super::{address, behind};
use super::{Found, Use};
use crate::unit::Bdf;

/// Names of the firmware's framebuffer in `/proc/iomem`, by the drivers that reserve it.
const FIRMWARE: [&str; 5] = ["BOOTFB", "efifb", "simplefb", "simple-framebuffer", "vesafb"];

/// The framebuffers on each function, and the consoles on those.
pub(super) fn uses(root: &Root) -> Found {
    let framebuffers = framebuffers(root);
    let mut found: Found =
        framebuffers.iter().map(|(bdf, name)| (*bdf, Use::Framebuffer { name: name.clone() })).collect();
    // The console of framebuffers shows on the first one, `fbcon=map:` apart; `Documentation/fb/fbcon.rst`.
    let shown = framebuffers.iter().find(|(_, name)| name.starts_with("fb0")).or_else(|| framebuffers.first());
    if let Some((bdf, _)) = shown {
        found.extend(consoles(root).into_iter().map(|name| (*bdf, Use::Console { name })));
    }
    found
}

/// Drivers of the text console that are at work and draw on a framebuffer.
fn consoles(root: &Root) -> Vec<String> {
    const CLASS: &str = "/sys/class/vtconsole";
    let mut consoles = root.names(CLASS);
    consoles.retain(|name| {
        let text = |file: &str| root.text(format!("{CLASS}/{name}/{file}")).unwrap_or_default();
        text("bind") == "1" && text("name").contains("frame buffer")
    });
    consoles
}

fn framebuffers(root: &Root) -> Vec<(Bdf, String)> {
    const CLASS: &str = "/sys/class/graphics";
    let firmware = firmware(root);
    let mut found = Vec::new();
    for name in root.names(CLASS).into_iter().filter(|name| name.starts_with("fb") && name != "fbcon") {
        let driver = root.text(format!("{CLASS}/{name}/name")).unwrap_or_default();
        let place = root.link(format!("{CLASS}/{name}"));
        // The firmware's is a platform device, which before Linux 6.9 tells nothing of its function.
        let bdf = place.and_then(|place| behind(&place)).or_else(|| firmware.as_ref().map(|(bdf, _)| *bdf));
        found.extend(bdf.map(|bdf| (bdf, format!("{name} {driver}").trim_end().to_owned())));
    }
    if found.is_empty() { firmware.into_iter().collect() } else { found }
}

/// The function whose memory the firmware's framebuffer lies in, and the framebuffer's name there.
///
/// `/proc/iomem` hides addresses from all but root, but not what lies in what: that is told by two blanks for each
/// level.
fn firmware(root: &Root) -> Option<(Bdf, String)> {
    let map = root.text("/proc/iomem")?;
    let mut above: Vec<(usize, Bdf)> = Vec::new();
    for line in map.lines() {
        let depth = line.len() - line.trim_start().len();
        let name = line.split_once(" : ")?.1.trim();
        above.retain(|(other, _)| *other < depth);
        if let (true, Some((_, bdf))) = (FIRMWARE.contains(&name), above.last()) {
            return Some((*bdf, name.to_owned()));
        }
        above.extend(address(name).map(|bdf| (depth, bdf)));
    }
    None
}

#[cfg(test)]
mod test {
    use super::uses;
    use crate::host::pci::Use;
    use crate::host::tree::lay_out;

    fn at(bdf: &str, used: Use) -> (crate::unit::Bdf, Use) {
        (bdf.parse().unwrap(), used)
    }

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
        let framebuffer = at("0000:0a:00.0", Use::Framebuffer { name: "fb0 amdgpudrmfb".to_owned() });
        assert_eq!(uses(&tree.root), [framebuffer, at("0000:0a:00.0", Use::Console { name: "vtcon1".to_owned() })]);
    }

    #[test]
    fn the_firmwares_framebuffer_is_found_in_the_memory_of_its_card() {
        let map = "00000000-00000000 : Reserved\n\
                   00000000-00000000 : PCI Bus 0000:00\n  \
                     00000000-00000000 : PCI Bus 0000:0a\n    \
                       00000000-00000000 : 0000:0a:00.0\n      \
                         00000000-00000000 : BOOTFB\n    \
                       00000000-00000000 : 0000:0a:00.1\n";
        let tree = lay_out(&[("/proc/iomem", map)]);
        assert_eq!(uses(&tree.root), [at("0000:0a:00.0", Use::Framebuffer { name: "BOOTFB".to_owned() })]);
    }
}
