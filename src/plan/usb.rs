//! USB devices that the guest gets whenever they are plugged in.

use crate::unit::{UsbId, UsbPort};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A USB device of the host that is meant for the guest, plugged in or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsbWanted {
    /// Key path, like `usb[0]`.
    pub at: String,
    /// Id of QEMU's device.
    pub id: String,
    /// Which one is meant.
    pub which: UsbWhich,
    /// What QEMU is told of it beside the socket that it is plugged in at.
    pub device: Value,
    /// Where it was plugged in when this was planned. It is on the command line then.
    pub found: Option<UsbFound>,
    /// Whether the guest may get it when it is the host's last keyboard.
    pub last_keyboard: bool,
}

/// A device that is plugged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsbFound {
    /// Its socket.
    pub port: UsbPort,
    /// Vendor and product.
    pub id: UsbId,
}

/// What is known of a device before it is plugged in: all that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsbWhich {
    /// Vendor and product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<UsbId>,
    /// The socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<UsbPort>,
    /// The serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

impl UsbWhich {
    /// Whether a device with these properties is meant; one of which nothing is known is nobody.
    #[must_use]
    pub fn means(&self, id: UsbId, port: &UsbPort, serial: Option<&str>) -> bool {
        let Self { id: wanted, port: socket, serial: number } = self;
        (wanted.is_some() || socket.is_some() || number.is_some())
            && wanted.is_none_or(|wanted| wanted == id)
            && socket.as_ref().is_none_or(|socket| socket == port)
            && number.as_deref().is_none_or(|number| serial == Some(number))
    }
}

/// As people name it: `046d:c29b`, `port 1-4.2`, `serial 60A44C41`.
impl std::fmt::Display for UsbWhich {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, port, serial } = self;
        let id = id.map(|id| id.to_string());
        let port = port.as_ref().map(|port| format!("port {port}"));
        let serial = serial.as_ref().map(|serial| format!("serial {serial}"));
        f.write_str(&[id, port, serial].into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl UsbWanted {
    /// The arguments of `device_add` for the device at `port`, which is `id`. Exact, so that QEMU takes no twin of it.
    ///
    /// With its `node`, a path below `/dev/bus/usb`, QEMU opens that at once, or says why it cannot. Without, it goes by
    /// what libusb has heard of, which is nothing new where no udev runs, and else often a moment late: then it agrees,
    /// has no device, and looks again every two seconds. QEMU: `usb_host_realize()`.
    #[must_use]
    pub fn plugged_in(&self, id: UsbId, port: &UsbPort, node: Option<&str>) -> Value {
        let mut device = self.device.clone();
        device["vendorid"] = json!(id.vendor());
        device["productid"] = json!(id.product());
        device["hostbus"] = json!(port.bus());
        device["hostport"] = json!(port.ports());
        if let Some(node) = node {
            device["hostdevice"] = json!(node);
        }
        device
    }
}
