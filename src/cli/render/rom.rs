//! An option ROM for a person.

use crate::host::PciFunction;
use crate::unit::{OptionRom, RomImage, RomVerdict};
use std::fmt::Write as _;

/// The images of the ROM called `name`, of `size` bytes, and what they are good for.
pub(in crate::cli) fn text(
    name: &str,
    size: usize,
    rom: &OptionRom,
    card: Option<&PciFunction>,
    verdict: &RomVerdict,
) -> String {
    let mut text = format!("{name}: {size} bytes, {}\n", images(rom.images.len()));
    for (number, image) in rom.images.iter().enumerate() {
        _ = writeln!(text, "  {number}  {}", line(image));
    }
    if rom.trailing > 0 {
        _ = writeln!(text, "  {} bytes follow that no firmware looks at", rom.trailing);
    }
    if let Some(card) = card {
        _ = writeln!(text, "card: {} {:04x}:{:04x}", card.bdf, card.vendor, card.device);
    }
    _ = writeln!(text, "it {verdict}");
    if !verdict.fix().is_empty() {
        _ = writeln!(text, "fix: {}", verdict.fix().replace("FILE", name));
    }
    text
}

fn images(number: usize) -> String {
    if number == 1 { "1 image".to_owned() } else { format!("{number} images") }
}

fn line(image: &RomImage) -> String {
    let mut line = format!("{} at {:#x}, {} bytes, for {}", image.kind, image.offset, image.length, image.id());
    let also: Vec<_> = image.devices.iter().filter(|id| **id != image.device).map(|id| format!("{id:04x}")).collect();
    if !also.is_empty() {
        _ = write!(line, " and {}", also.join(" "));
    }
    if let Some(driver) = &image.uefi {
        let how = if driver.compression == 0 { "" } else { ", compressed" };
        _ = write!(line, ", {}{how}", driver.machine_name());
    }
    if image.bad_checksum {
        line += ", wrong checksum";
    }
    line
}
