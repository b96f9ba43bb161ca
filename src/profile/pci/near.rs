//! Which function was probably meant by an address at which there is none.

use super::is_display;
use crate::host::{Host, PciFunction};
use crate::unit::Bdf;

/// Most letters that an address may be off.
const OFF: usize = 2;

/// The function whose address is nearest to `bdf`; `None` when none is near. Of equally near ones a graphics card comes
/// first, then the one on the nearest bus: a card that is put in, or taken out, moves those behind it by one.
pub(super) fn to(bdf: Bdf, host: &Host) -> Option<&PciFunction> {
    let text = bdf.to_string();
    let near = |function: &&PciFunction| {
        let distance = strsim::osa_distance(&text, &function.bdf.to_string());
        (distance, !is_display(function), function.bdf.bus().abs_diff(bdf.bus()))
    };
    let may_be_meant = host.pci.iter().filter(|function| !function.bridge && near(function).0 <= OFF);
    may_be_meant.min_by_key(near)
}

/// The line of the profile that means `function`, for the key path `at`, and what it is.
pub(super) fn line(at: &str, function: &PciFunction) -> String {
    let key = at.rsplit('.').next().unwrap_or(at);
    let PciFunction { bdf, vendor, device, .. } = function;
    let kind = if is_display(function) { "a graphics card, " } else { "" };
    let bdf = bdf.to_string();
    let meant = if key == "device" { bdf.rsplit_once('.').map_or(bdf.as_str(), |(device, _)| device) } else { &bdf };
    format!("{key} = \"{meant}\"   # did you mean that one? {kind}{vendor:04x}:{device:04x}")
}
