//! Keyboards. Source: Linux `drivers/input/input.c` for `/proc/bus/input/devices`.

use super::super::super::Root;
use super::super::behind;
use super::{Found, Use};
use std::path::Path;

/// The keys from Escape to S, numbers 1 to 31, by which udev knows a keyboard from a button; systemd
/// `src/udev/udev-builtin-input_id.c`.
const LETTERS: u64 = 0xffff_fffe;

/// The keyboards behind each function.
pub(super) fn uses(root: &Root) -> Found {
    let list = root.text("/proc/bus/input/devices").unwrap_or_default();
    list.split("\n\n").filter_map(keyboard).collect()
}

/// The keyboard that a paragraph of the list is about.
fn keyboard(paragraph: &str) -> Option<(crate::unit::Bdf, Use)> {
    let field = |start: &str| paragraph.lines().find_map(|line| line.strip_prefix(start));
    // Words of 64 bits, the lowest last.
    let keys = u64::from_str_radix(field("B: KEY=")?.split_ascii_whitespace().last()?, 16).ok()?;
    let bdf = behind(Path::new(field("S: Sysfs=")?))?;
    let name = field("N: Name=")?.trim_matches('"').to_owned();
    (keys & LETTERS == LETTERS).then_some((bdf, Use::Keyboard { name }))
}

#[cfg(test)]
mod test {
    use super::uses;
    use crate::host::pci::Use;
    use crate::host::tree::lay_out;

    #[test]
    fn a_keyboard_is_told_from_a_button_and_a_mouse() {
        let tree = lay_out(&[(
            "/proc/bus/input/devices",
            "I: Bus=0019 Vendor=0000 Product=0001 Version=0000\nN: Name=\"Power Button\"\n\
             S: Sysfs=/devices/LNXSYSTM:00/LNXPWRBN:00/input/input0\nB: EV=3\nB: KEY=10000000000000 0\n\n\
             I: Bus=0003 Vendor=04d9 Product=0024 Version=0111\nN: Name=\"USB Keyboard\"\n\
             S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/0003:04D9:0024.0001/input/input5\n\
             B: EV=120013\nB: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n\n\
             I: Bus=0003 Vendor=046d Product=c077 Version=0111\nN: Name=\"USB Mouse\"\n\
             S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-5/1-5:1.0/0003:046D:C077.0002/input/input6\n\
             B: EV=17\nB: KEY=ff0000 0 0 0 0\n\n\
             I: Bus=0011 Vendor=0001 Product=0001 Version=ab41\nN: Name=\"AT Translated Set 2 keyboard\"\n\
             S: Sysfs=/devices/platform/i8042/serio0/input/input4\nB: KEY=402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe\n",
        )]);
        let keyboard = Use::Keyboard { name: "USB Keyboard".to_owned() };
        assert_eq!(uses(&tree.root), [("0000:00:14.0".parse().unwrap(), keyboard)]);
    }
}
