//! Keyboards. Source: Linux `drivers/input/input.c` for `/proc/bus/input/devices`.

use super::{Root, pci};
use crate::unit::{Bdf, UsbPort};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The keys from Escape to S, numbers 1 to 31, by which udev knows a keyboard from a button; systemd
/// `src/udev/udev-builtin-input_id.c`.
const LETTERS: u64 = 0xffff_fffe;

/// A keyboard that the kernel reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyboard {
    /// What it calls itself.
    pub name: String,
    /// The PCI function it is behind; `None` for one of the board's own controller or over radio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Bdf>,
    /// The USB port it is at; `None` for what is not on USB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<UsbPort>,
}

/// The keyboards in the order in which they were found.
pub(super) fn read(root: &Root) -> Vec<Keyboard> {
    let list = root.text("/proc/bus/input/devices").unwrap_or_default();
    list.split("\n\n").filter_map(keyboard).collect()
}

/// The keyboard that a paragraph of the list is about.
fn keyboard(paragraph: &str) -> Option<Keyboard> {
    let field = |start: &str| paragraph.lines().find_map(|line| line.strip_prefix(start));
    // Words of 64 bits, the lowest last.
    let keys = u64::from_str_radix(field("B: KEY=")?.split_ascii_whitespace().last()?, 16).ok()?;
    if keys & LETTERS != LETTERS {
        return None;
    }
    let place = Path::new(field("S: Sysfs=")?);
    Some(Keyboard {
        name: field("N: Name=")?.trim_matches('"').to_owned(),
        function: pci::behind(place),
        port: place.iter().rev().find_map(|part| part.to_str()?.parse().ok()),
    })
}

#[cfg(test)]
mod test {
    use super::{Keyboard, read};
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
             S: Sysfs=/devices/platform/i8042/serio0/input/input4\n\
             B: KEY=402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe\n",
        )]);
        let usb = Keyboard {
            name: "USB Keyboard".to_owned(),
            function: Some("0000:00:14.0".parse().unwrap()),
            port: Some("1-3".parse().unwrap()),
        };
        let board = Keyboard { name: "AT Translated Set 2 keyboard".to_owned(), function: None, port: None };
        assert_eq!(read(&tree.root), [usb, board]);
    }
}
