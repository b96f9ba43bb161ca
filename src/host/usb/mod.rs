//! USB devices. Source: Linux `Documentation/ABI/stable/sysfs-bus-usb` and `Documentation/ABI/testing/sysfs-bus-usb`.

mod bus;

pub use bus::UsbBus;
pub(super) use bus::read as buses;

use super::Root;
use crate::unit::{UsbId, UsbPort};
use serde::{Deserialize, Serialize};

/// A USB device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsbDevice {
    /// Where it is plugged in.
    pub port: UsbPort,
    /// The kernel's number of it on its bus; another one each time it is plugged in.
    #[serde(default)]
    pub number: u8,
    /// Vendor and product id.
    pub id: UsbId,
    /// Its serial number; `None` for the many that have none.
    pub serial: Option<String>,
    /// What it calls itself.
    pub product: Option<String>,
    /// Whether it is a keyboard.
    pub keyboard: bool,
    /// Whether it is a mouse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mouse: bool,
    /// What it calls its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
}

impl UsbDevice {
    /// The node by which programs open it. Linux: `Documentation/driver-api/usb/usb.rst`, "The usbfs node names".
    #[must_use]
    pub fn node(&self) -> String {
        format!("/dev/bus/usb/{:03}/{:03}", self.port.bus(), self.number)
    }
}

const FOLDER: &str = "/sys/bus/usb/devices";

/// Device class of a hub; USB class codes.
const HUB: &str = "09";

/// Interface class of what people handle, and its boot protocols.
const HID: &str = "03";
const KEYBOARD: &str = "01";
const MOUSE: &str = "02";

/// The USB devices by their ports, without hubs; none on a machine without USB.
#[must_use]
pub fn read(root: &Root) -> Vec<UsbDevice> {
    let names = root.names(FOLDER);
    let mut devices: Vec<_> = names.iter().filter_map(|name| device(root, name, &names)).collect();
    devices.sort_by(|a, b| a.port.cmp(&b.port));
    devices
}

fn device(root: &Root, name: &str, names: &[String]) -> Option<UsbDevice> {
    if is_hub(root, name) { None } else { any(root, name, names) }
}

/// The hub at a port; root hubs, which are at none, are not among them.
fn hub(root: &Root, name: &str, names: &[String]) -> Option<UsbDevice> {
    if is_hub(root, name) { any(root, name, names) } else { None }
}

fn is_hub(root: &Root, name: &str) -> bool {
    root.text(format!("{FOLDER}/{name}/bDeviceClass")).as_deref() == Some(HUB)
}

fn any(root: &Root, name: &str, names: &[String]) -> Option<UsbDevice> {
    // Root hubs are called usb1, interfaces 1-4:1.0: neither is a port.
    let port = name.parse().ok()?;
    let text = |file: &str| root.text(format!("{FOLDER}/{name}/{file}"));
    let id = format!("{}:{}", text("idVendor")?, text("idProduct")?).parse().ok()?;
    let named = |file: &str| text(file).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let protocols = boot_protocols(root, name, names);
    Some(UsbDevice {
        keyboard: protocols.iter().any(|protocol| protocol == KEYBOARD),
        mouse: protocols.iter().any(|protocol| protocol == MOUSE),
        port,
        number: text("devnum").and_then(|number| number.parse().ok()).unwrap_or(0),
        id,
        serial: named("serial"),
        product: named("product"),
        manufacturer: named("manufacturer"),
    })
}

/// The boot protocols that its interfaces of class 03 speak; USB HID 1.11, section 4.3.
fn boot_protocols(root: &Root, name: &str, names: &[String]) -> Vec<String> {
    let prefix = format!("{name}:");
    let interfaces = names.iter().filter(|other| other.starts_with(&prefix));
    interfaces
        .filter_map(|interface| {
            let text = |file: &str| root.text(format!("{FOLDER}/{interface}/{file}"));
            if text("bInterfaceClass")? == HID { text("bInterfaceProtocol") } else { None }
        })
        .collect()
}

#[cfg(test)]
mod test {
    use super::read;
    use crate::host::tree::lay_out;

    const BUS: [(&str, &str); 12] = [
        ("/sys/bus/usb/devices/usb1/bDeviceClass", "09\n"),
        ("/sys/bus/usb/devices/1-4/bDeviceClass", "09\n"),
        ("/sys/bus/usb/devices/1-4/idVendor", "05e3\n"),
        ("/sys/bus/usb/devices/1-4/idProduct", "0608\n"),
        ("/sys/bus/usb/devices/1-4.2/bDeviceClass", "00\n"),
        ("/sys/bus/usb/devices/1-4.2/idVendor", "046d\n"),
        ("/sys/bus/usb/devices/1-4.2/idProduct", "c29b\n"),
        ("/sys/bus/usb/devices/1-4.2/product", "G27 Racing Wheel\n"),
        ("/sys/bus/usb/devices/1-3/idVendor", "04d9\n"),
        ("/sys/bus/usb/devices/1-3/idProduct", "0024\n"),
        ("/sys/bus/usb/devices/1-3:1.0/bInterfaceClass", "03\n"),
        ("/sys/bus/usb/devices/1-3:1.0/bInterfaceProtocol", "01\n"),
    ];

    #[test]
    fn devices_are_read_without_hubs_and_interfaces() {
        let tree = lay_out(&BUS);
        let found: Vec<_> = read(&tree.root)
            .into_iter()
            .map(|usb| (usb.port.to_string(), usb.id.to_string(), usb.product, usb.keyboard))
            .collect();
        let wheel = ("1-4.2".to_owned(), "046d:c29b".to_owned(), Some("G27 Racing Wheel".to_owned()), false);
        assert_eq!(found, [("1-3".to_owned(), "04d9:0024".to_owned(), None, true), wheel]);
    }

    #[test]
    fn a_serial_number_of_blanks_is_none() {
        let tree = lay_out(&[&BUS[..], &[("/sys/bus/usb/devices/1-3/serial", "  \n")]].concat());
        assert_eq!(read(&tree.root)[0].serial, None);
    }
}
