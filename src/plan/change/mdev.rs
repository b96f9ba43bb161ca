//! A mediated device.

use super::Presence;
use crate::plan::Step;
use uuid::Uuid;

pub(super) fn steps(uuid: Uuid, parent: &str, kind: &str, to: Presence) -> Vec<Step> {
    let at = format!("/sys/bus/mdev/devices/{uuid}");
    let (path, value) = match to {
        Presence::Present => {
            (format!("/sys/class/mdev_bus/{parent}/mdev_supported_types/{kind}/create"), uuid.to_string())
        }
        Presence::Absent => (format!("{at}/remove"), "1".to_owned()),
    };
    vec![Step::Tell { path, value, at, to }]
}
