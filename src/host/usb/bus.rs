//! USB buses: each root hub of each controller is one. Source: Linux `Documentation/ABI/testing/sysfs-bus-usb`.

use super::super::{Root, pci};
use super::{FOLDER, UsbDevice, hub};
use crate::unit::{Bdf, UsbId};
use serde::{Deserialize, Serialize};

/// A USB bus. A controller for both USB 2 and 3 has two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsbBus {
    /// Its number, the first of every port on it.
    pub number: u8,
    /// The PCI function that is its controller; `None` for one that is not on PCI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<Bdf>,
    /// Vendor and product id of the root hub, which are the kernel's.
    pub id: UsbId,
    /// Ports of the root hub.
    pub ports: u8,
    /// Its speed in Mbit/s, as the kernel writes it.
    pub speed: String,
    /// Hubs on it, besides the root hub.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hubs: Vec<UsbDevice>,
}

/// The USB buses by number.
pub(in crate::host) fn read(root: &Root) -> Vec<UsbBus> {
    let names = root.names(FOLDER);
    let mut buses: Vec<_> = names.iter().filter_map(|name| bus(root, name, &names)).collect();
    buses.sort_by_key(|bus| bus.number);
    buses
}

fn bus(root: &Root, name: &str, names: &[String]) -> Option<UsbBus> {
    let number: u8 = name.strip_prefix("usb")?.parse().ok()?;
    let text = |file: &str| root.text(format!("{FOLDER}/{name}/{file}"));
    let hubs = names.iter().filter_map(|name| hub(root, name, names)).filter(|hub| hub.port.bus() == number);
    Some(UsbBus {
        number,
        controller: root.link(format!("{FOLDER}/{name}")).and_then(|place| pci::behind(&place)),
        id: format!("{}:{}", text("idVendor")?, text("idProduct")?).parse().ok()?,
        ports: text("maxchild")?.parse().ok()?,
        speed: text("speed").unwrap_or_default(),
        hubs: hubs.collect(),
    })
}

#[cfg(test)]
mod test {
    use super::read;
    use crate::host::tree::lay_out;

    #[test]
    fn a_bus_knows_its_controller_and_its_hubs() {
        let root = "/sys/devices/pci0000:00/0000:00:14.0/usb1";
        let file = |name: &str| format!("{root}/{name}");
        let (vendor, product, ports, speed) = (file("idVendor"), file("idProduct"), file("maxchild"), file("speed"));
        let tree = lay_out(&[
            (&vendor, "1d6b\n"),
            (&product, "0002\n"),
            (&ports, "16\n"),
            (&speed, "480\n"),
            ("/sys/bus/usb/devices/1-4/bDeviceClass", "09\n"),
            ("/sys/bus/usb/devices/1-4/idVendor", "05e3\n"),
            ("/sys/bus/usb/devices/1-4/idProduct", "0608\n"),
            ("/sys/bus/usb/devices/1-4/devnum", "3\n"),
            ("/sys/bus/usb/devices/2-4/bDeviceClass", "09\n"),
            ("/sys/bus/usb/devices/2-4/idVendor", "05e3\n"),
            ("/sys/bus/usb/devices/2-4/idProduct", "0620\n"),
        ]);
        tree.link("/sys/bus/usb/devices/usb1", "../../../devices/pci0000:00/0000:00:14.0/usb1");
        let buses = read(&tree.root);
        assert_eq!(buses.len(), 1);
        assert_eq!((buses[0].number, buses[0].ports, buses[0].speed.as_str()), (1, 16, "480"));
        assert_eq!(buses[0].controller, Some("0000:00:14.0".parse().unwrap()));
        let hubs: Vec<_> = buses[0].hubs.iter().map(|hub| (hub.port.to_string(), hub.number)).collect();
        assert_eq!(hubs, [("1-4".to_owned(), 3)]);
    }
}
