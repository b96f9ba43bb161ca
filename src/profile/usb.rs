//! `[[usb]]`: USB devices of the host.

use super::disk_bus::place;
use crate::plan::{Draft, Origin};
use crate::unit::UsbId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A USB device of the host, by its ids; plugged in later, it comes to the guest later.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Usb {
    /// Vendor and product.
    id: UsbId,
    /// Whether the guest gets it; so that a device can be left out without deleting it.
    #[serde(default = "yes")]
    pub(super) enabled: bool,
}

fn yes() -> bool {
    true
}

/// Ports for USB 2 and for USB 3 devices, the most that the controller has. QEMU: `hw/usb/hcd-xhci.h`.
const PORTS: u8 = 15;

/// Adds the one USB controller, if some key path wants it.
pub(super) fn draft_controller(wanted_by: Option<String>, draft: &mut Draft) {
    let Some(key) = wanted_by else { return };
    let origin = Origin::derived(key, "USB devices sit on a controller");
    place(json!({"driver": "qemu-xhci", "id": "xhci", "p2": PORTS, "p3": PORTS}), &origin, draft);
}

pub(super) fn draft(devices: &[Usb], draft: &mut Draft) {
    for (i, Usb { id, enabled: _ }) in devices.iter().enumerate().filter(|(_, usb)| usb.enabled) {
        let device = json!({
            "driver": "usb-host", "id": format!("usb{i}"), "bus": "xhci.0",
            "vendorid": id.vendor(), "productid": id.product(),
        });
        draft.contents.argv.device(&device, Origin::given(format!("usb[{i}]")));
    }
}
