//! Channels between host and guest beside any network: the ports of one virtio serial controller.

use super::disk_bus::place_among;
use crate::plan::{Draft, Origin};
use serde_json::json;

/// Adds the controller that all channels share, if `wanted_by` names a key path that wants it.
pub(super) fn draft(wanted_by: Option<&str>, draft: &mut Draft) {
    let Some(key) = wanted_by else { return };
    let origin = Origin::derived(key, "channels to the guest sit on a controller");
    place_among("agent", json!({"driver": "virtio-serial-pci", "id": "channels"}), &origin, draft);
}

/// Adds the port `name` for the character device `chardev`.
pub(super) fn draft_port(chardev: &str, name: &str, origin: Origin, draft: &mut Draft) {
    let port = json!({
        "driver": "virtserialport", "id": format!("{chardev}-port"), "bus": "channels.0", "chardev": chardev, "name": name,
    });
    draft.contents.argv.device(&port, origin);
}
