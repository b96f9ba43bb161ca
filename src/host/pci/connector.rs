//! The sockets of a graphics card, and what is plugged into them.
//!
//! Source: Linux `Documentation/gpu/drm-kms.rst`, `drivers/gpu/drm/drm_sysfs.c`; VESA E-EDID 1.4, section 3.10.

use super::super::Root;
use super::{PciFunction, behind};
use serde::{Deserialize, Serialize};

const CLASS: &str = "/sys/class/drm";

/// First bytes of every EDID.
const MAGIC: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];

/// Where the four descriptors of an EDID begin, how long one is, and the tag of the one with the monitor's name.
const DESCRIPTORS: [usize; 4] = [54, 72, 90, 108];
const LENGTH: usize = 18;
const NAME: u8 = 0xfc;

/// A socket of a graphics card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// Its name, like `DP-1`.
    pub name: String,
    /// Whether a monitor is plugged in; `None` when the card cannot tell.
    pub connected: Option<bool>,
    /// Whether a picture is sent through it.
    pub enabled: bool,
    /// What the monitor calls itself, else its maker and number; `None` when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
}

/// Fills in the sockets of each of `functions`.
pub(super) fn read(root: &Root, functions: &mut [PciFunction]) {
    for entry in root.names(CLASS) {
        let Some((card, name)) = entry.split_once('-') else { continue };
        let Some(bdf) = root.link(format!("{CLASS}/{entry}")).and_then(|place| behind(&place)) else { continue };
        let connector = card.starts_with("card").then(|| connector(root, &entry, name)).flatten();
        if let Some(function) = functions.iter_mut().find(|function| function.bdf == bdf) {
            function.connectors.extend(connector);
        }
    }
}

/// Writeback connectors are none that a plug fits.
fn connector(root: &Root, entry: &str, name: &str) -> Option<Connector> {
    let text = |file: &str| root.text(format!("{CLASS}/{entry}/{file}"));
    let connected = match text("status")?.as_str() {
        "connected" => Some(true),
        "disconnected" => Some(false),
        _ => None,
    };
    (!name.starts_with("Writeback")).then(|| Connector {
        name: name.to_owned(),
        connected,
        enabled: text("enabled").as_deref() == Some("enabled"),
        monitor: root.bytes(format!("{CLASS}/{entry}/edid")).and_then(|edid| monitor(&edid)),
    })
}

/// The monitor that an EDID is of.
fn monitor(edid: &[u8]) -> Option<String> {
    if !edid.starts_with(&MAGIC) || edid.len() < 128 {
        return None;
    }
    let descriptors = DESCRIPTORS.iter().filter_map(|&start| edid.get(start..start + LENGTH));
    let named = descriptors.filter(|it| it[..3] == [0, 0, 0] && it[3] == NAME).find_map(|it| text(&it[5..]));
    Some(named.unwrap_or_else(|| maker_and_number(edid)))
}

/// Text up to the line feed that ends it.
fn text(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|&byte| byte == b'\n').next()?;
    let text = String::from_utf8_lossy(text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Three letters in five bits each, and a number: all that a laptop's panel often says.
fn maker_and_number(edid: &[u8]) -> String {
    let maker = u16::from_be_bytes([edid[8], edid[9]]);
    let letter = |shift: u16| char::from(b'@' + u8::try_from(maker >> shift & 0x1f).unwrap_or_default());
    format!("{}{}{} {:04x}", letter(10), letter(5), letter(0), u16::from_le_bytes([edid[10], edid[11]]))
}

#[cfg(test)]
mod test {
    use super::monitor;
    use crate::host::tree::lay_out;
    use crate::host::{Area, Host, Wants};
    use std::fs;

    /// Of a Dell U2720Q, with its name in the third descriptor or none.
    fn edid(name: bool) -> Vec<u8> {
        let mut edid = vec![0; 128];
        edid[..12].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x10, 0xac, 0x07, 0x41]);
        if name {
            edid[90..108].copy_from_slice(b"\0\0\0\xfc\0DELL U2720Q\n ");
        }
        edid
    }

    #[test]
    fn a_monitor_has_its_name_or_else_its_maker() {
        assert_eq!(monitor(&edid(true)).as_deref(), Some("DELL U2720Q"));
        assert_eq!(monitor(&edid(false)).as_deref(), Some("DEL 4107"));
        assert_eq!(monitor(b""), None);
        assert_eq!(monitor(&[0; 128]), None);
    }

    #[test]
    fn the_sockets_of_a_card_tell_what_is_plugged_in() {
        let folder = "/sys/devices/pci0000:00/0000:0a:00.0/drm/card0/card0-DP-1";
        let (status, enabled) = (format!("{folder}/status"), format!("{folder}/enabled"));
        let tree = lay_out(&[
            (&status, "connected\n"),
            (&enabled, "enabled\n"),
            ("/sys/class/drm/version", "drm 1.1.0\n"),
            ("/sys/bus/pci/devices/0000:0a:00.0/vendor", "0x1002\n"),
            ("/sys/bus/pci/devices/0000:0a:00.0/device", "0x73bf\n"),
            ("/sys/bus/pci/devices/0000:0a:00.0/class", "0x030000\n"),
        ]);
        fs::write(tree.root.resolve(format!("{folder}/edid")), edid(true)).unwrap();
        tree.link("/sys/class/drm/card0-DP-1", "../../devices/pci0000:00/0000:0a:00.0/drm/card0/card0-DP-1");
        let wants = Wants { areas: [Area::Pci].into(), ..Wants::default() };
        let connectors = Host::read_for(&tree.root, &tree.caller, &wants).pci.remove(0).connectors;
        assert_eq!(connectors.len(), 1);
        assert_eq!((connectors[0].name.as_str(), connectors[0].connected), ("DP-1", Some(true)));
        assert_eq!((connectors[0].enabled, connectors[0].monitor.as_deref()), (true, Some("DELL U2720Q")));
    }
}
