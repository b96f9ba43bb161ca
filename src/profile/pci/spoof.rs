//! `pci.spoof`: ids that the guest sees instead of the function's own.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Ids that the guest sees instead of the function's own, for a driver that takes only some. QEMU's `x-pci-…-id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Spoof {
    /// Vendor id, like `0x10de`.
    vendor_id: Option<u16>,
    /// Device id.
    device_id: Option<u16>,
    /// Vendor id of the board.
    sub_vendor_id: Option<u16>,
    /// Device id of the board.
    sub_device_id: Option<u16>,
}

impl Spoof {
    pub(super) fn onto(self, device: &mut Value) {
        let Self { vendor_id, device_id, sub_vendor_id, sub_device_id } = self;
        let ids = [
            ("x-pci-vendor-id", vendor_id),
            ("x-pci-device-id", device_id),
            ("x-pci-sub-vendor-id", sub_vendor_id),
            ("x-pci-sub-device-id", sub_device_id),
        ];
        for (property, id) in ids.into_iter().filter_map(|(property, id)| Some((property, id?))) {
            device[property] = json!(id);
        }
    }
}
