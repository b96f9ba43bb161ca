//! Everything about a function that a file of its own folder in sysfs tells.

use super::super::Root;
use super::locked::Locked;
use super::{FOLDER, PciFunction, address, bar, hex};
use crate::unit::Bdf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Offset of the header type in the configuration space, and the bit that tells of more functions.
const HEADER_TYPE: usize = 0x0e;
const MULTIFUNCTION: u8 = 0x80;

/// Vendor and device id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PciIds {
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
}

/// A PCI Express link. Speeds are in GT/s as the kernel writes them, like `8.0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PciLink {
    /// Speed now; an idle card slows down.
    pub speed: String,
    /// Lanes in use now.
    pub width: u8,
    /// Speed that the function is capable of.
    pub max_speed: String,
    /// Lanes that it has.
    pub max_width: u8,
}

/// Virtual functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SrIov {
    /// As many can be made.
    pub total: u16,
    /// As many there are.
    pub enabled: u16,
    /// Distance of the first one's routing id from this function's; 0 in older dumps, which did not tell, as in the next
    /// three.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u16,
    /// Distance of each further one from the one before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stride: u16,
    /// Their device id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub device: u16,
    /// Whether the kernel gives them to drivers of the host by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub autoprobe: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// Fills in the details of `functions`.
pub(super) fn read(root: &Root, functions: &mut [PciFunction]) {
    let (slots, locked) = (slots(root), Locked::read(root));
    for function in functions {
        function.locked = locked.holds(function.bdf);
        fill(root, function);
        let name = function.bdf.to_string();
        function.slot = name.split('.').next().and_then(|device| slots.get(device)).cloned();
    }
}

fn fill(root: &Root, function: &mut PciFunction) {
    let folder = format!("{FOLDER}/{}", function.bdf);
    let text = |file: &str| root.text(format!("{folder}/{file}"));
    // Of a function that is locked, to read these would hang.
    let free = |file: &str| if function.locked { None } else { text(file) };
    let id = |file: &str| text(file).and_then(|text| hex(&text)).and_then(|id| u16::try_from(id).ok());
    let header = root.head(format!("{folder}/config"), HEADER_TYPE + 1).and_then(|head| head.get(HEADER_TYPE).copied());
    function.bridge |= matches!(header.map(|header| header & !MULTIFUNCTION), Some(1 | 2));
    // The kernel writes what is not set as `(null)`.
    function.driver_override = free("driver_override").filter(|driver| !driver.is_empty() && driver != "(null)");
    function.subsystem = subsystem(id("subsystem_vendor"), id("subsystem_device"));
    function.boot_vga = text("boot_vga").as_deref() == Some("1");
    function.numa_node = text("numa_node").and_then(|node| node.parse().ok());
    function.resettable = root.exists(format!("{folder}/reset"));
    function.reset_methods =
        text("reset_method").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
    function.parent = parent(root, &folder);
    (function.bars, function.rom) = bar::read(root, &folder);
    function.resizable = bar::resizable(root, &folder);
    function.link = link(&text);
    function.d3cold_allowed = text("d3cold_allowed").map(|allowed| allowed == "1");
    function.power_control = text("power/control");
    function.sriov = sriov(&text, &free);
    function.physfn = root.link_name(format!("{folder}/physfn")).and_then(|name| name.parse().ok());
    function.vfio_device = vfio_device(root, &folder);
    function.modalias = text("modalias");
    function.revision =
        text("revision").and_then(|text| u8::from_str_radix(text.trim_start_matches("0x"), 16).ok()).unwrap_or(0);
}

/// Only a device with a node of its own has a number; Linux: `drivers/vfio/vfio_main.c`.
fn vfio_device(root: &Root, folder: &str) -> Option<String> {
    let names = root.names(format!("{folder}/vfio-dev"));
    names.into_iter().find(|name| root.exists(format!("{folder}/vfio-dev/{name}/dev")))
}

/// Bridges show zeroes.
fn subsystem(vendor: Option<u16>, device: Option<u16>) -> Option<PciIds> {
    let ids = PciIds { vendor: vendor?, device: device? };
    (ids.vendor != 0).then_some(ids)
}

/// The device's place in the tree of devices has the bridge's name before its own.
fn parent(root: &Root, folder: &str) -> Option<Bdf> {
    let place = root.link(folder)?;
    place.parent()?.file_name()?.to_str().and_then(address)
}

fn link(text: &dyn Fn(&str) -> Option<String>) -> Option<PciLink> {
    // Like `8.0 GT/s PCIe`, or `Unknown`.
    let speed = |file: &str| {
        let speed = text(file)?.split_ascii_whitespace().next()?.to_owned();
        speed.starts_with(|first: char| first.is_ascii_digit()).then_some(speed)
    };
    let width = |file: &str| text(file)?.parse::<u8>().ok();
    let max_width = width("max_link_width").filter(|&width| width > 0)?;
    let max_speed = speed("max_link_speed")?;
    Some(PciLink { speed: speed("current_link_speed")?, width: width("current_link_width")?, max_speed, max_width })
}

fn sriov(text: &dyn Fn(&str) -> Option<String>, free: &dyn Fn(&str) -> Option<String>) -> Option<SrIov> {
    let count = |file: &str| text(file)?.parse::<u16>().ok();
    let total = count("sriov_totalvfs").filter(|&total| total > 0)?;
    Some(SrIov {
        total,
        enabled: free("sriov_numvfs").and_then(|count| count.parse().ok()).unwrap_or(0),
        offset: count("sriov_offset").unwrap_or(0),
        stride: count("sriov_stride").unwrap_or(0),
        // Without `0x`, as no other id is; Linux: `sriov_vf_device_show`, `drivers/pci/iov.c`.
        device: text("sriov_vf_device").and_then(|id| u16::from_str_radix(&id, 16).ok()).unwrap_or(0),
        autoprobe: text("sriov_drivers_autoprobe").as_deref() == Some("1"),
    })
}

/// Names of the physical slots by the device in them, like `0000:01:00`.
fn slots(root: &Root) -> BTreeMap<String, String> {
    const SLOTS: &str = "/sys/bus/pci/slots";
    root.names(SLOTS)
        .into_iter()
        .filter_map(|name| Some((root.text(format!("{SLOTS}/{name}/address"))?, name)))
        .collect()
}

#[cfg(test)]
mod test {
    use crate::host::tree::lay_out;
    use crate::host::{Area, Host, PciIds, PciLink, SrIov, Wants};

    const REAL: &str = "/sys/devices/pci0000:00/0000:00:03.1/0000:06:00.0";

    #[test]
    fn a_card_behind_a_port_is_read_in_every_detail() {
        let file = |name: &str| format!("{REAL}/{name}");
        let files = [
            ("vendor", "0x10de\n"),
            ("device", "0x13c2\n"),
            ("class", "0x030000\n"),
            ("subsystem_vendor", "0x1458\n"),
            ("subsystem_device", "0x366a\n"),
            ("driver_override", "vfio-pci\n"),
            ("boot_vga", "1\n"),
            ("numa_node", "-1\n"),
            ("reset", ""),
            ("reset_method", "flr bus\n"),
            ("current_link_speed", "2.5 GT/s PCIe\n"),
            ("current_link_width", "8\n"),
            ("max_link_speed", "8.0 GT/s PCIe\n"),
            ("max_link_width", "16\n"),
            ("d3cold_allowed", "1\n"),
            ("power/control", "auto\n"),
            ("sriov_totalvfs", "7\n"),
            ("sriov_numvfs", "2\n"),
            ("sriov_offset", "128\n"),
            ("sriov_stride", "2\n"),
            ("sriov_vf_device", "10ca\n"),
            ("sriov_drivers_autoprobe", "1\n"),
            ("modalias", "pci:v000010DEd000013C2sv00001458sd0000366Abc03sc00i00\n"),
        ];
        let files = files.map(|(name, content)| (file(name), content));
        let mut files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), *content)).collect();
        files.push(("/sys/bus/pci/slots/PCIEX16_1/address", "0000:06:00\n"));
        files.push(("/sys/bus/pci/devices/x", ""));
        let tree = lay_out(&files);
        tree.link("/sys/bus/pci/devices/0000:06:00.0", "../../../devices/pci0000:00/0000:00:03.1/0000:06:00.0");

        let card = &Host::read_for(&tree.root, &tree.caller, &pci()).pci[0];

        assert_eq!(card.subsystem, Some(PciIds { vendor: 0x1458, device: 0x366a }));
        assert_eq!(card.driver_override.as_deref(), Some("vfio-pci"));
        assert_eq!((card.boot_vga, card.numa_node, card.bridge), (true, None, false));
        assert_eq!(
            (card.resettable, card.reset_methods.as_slice()),
            (true, ["flr".to_owned(), "bus".to_owned()].as_slice())
        );
        assert_eq!(card.slot.as_deref(), Some("PCIEX16_1"));
        assert_eq!(card.parent, Some("0000:00:03.1".parse().unwrap()));
        let link = PciLink { speed: "2.5".to_owned(), width: 8, max_speed: "8.0".to_owned(), max_width: 16 };
        assert_eq!(card.link, Some(link));
        assert_eq!((card.d3cold_allowed, card.power_control.as_deref()), (Some(true), Some("auto")));
        let sriov = SrIov { total: 7, enabled: 2, offset: 128, stride: 2, device: 0x10ca, autoprobe: true };
        assert_eq!(card.sriov, Some(sriov));
        assert!(card.modalias.as_deref().is_some_and(|alias| alias.starts_with("pci:v000010DE")));
    }

    #[test]
    fn a_header_of_type_1_is_a_bridge_whatever_its_class_and_nothing_is_made_up() {
        let folder = "/sys/bus/pci/devices/0000:00:1c.0";
        let file = |name: &str| format!("{folder}/{name}");
        let (vendor, device, class) = (file("vendor"), file("device"), file("class"));
        let (config, over, board) = (file("config"), file("driver_override"), file("subsystem_vendor"));
        let tree = lay_out(&[
            (&vendor, "0x8086\n"),
            (&device, "0x1234\n"),
            (&class, "0x088000\n"),
            (&config, "0123456789abcd\u{1}"),
            (&over, "(null)\n"),
            (&board, "0x0000\n"),
        ]);
        let port = &Host::read_for(&tree.root, &tree.caller, &pci()).pci[0];
        assert!(port.bridge);
        assert_eq!((port.driver_override.as_deref(), port.subsystem, port.resettable), (None, None, false));
        assert_eq!((port.parent, port.link.as_ref(), port.sriov, port.rom), (None, None, None, None));
    }

    fn pci() -> Wants {
        Wants { areas: [Area::Pci].into(), ..Wants::default() }
    }
}
