//! What QEMU calls the host's functions, which it has, and what it says of them.

use crate::plan::Contents;
use crate::qemu::{Event, Qmp, QmpError};
use crate::unit::Bdf;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where devices with an id are; QEMU: `system/qdev-monitor.c`.
const PERIPHERAL: &str = "/machine/peripheral";

/// What QEMU says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::supervise) enum Said {
    /// The device with this id is gone.
    Deleted(String),
    /// The guest refuses to let go of it.
    Kept(String),
}

impl Said {
    /// What `event` says; QEMU: `qapi/qdev.json`.
    pub(in crate::supervise) fn of(event: &Event) -> Option<Self> {
        let id = event.text("device")?.to_owned();
        match event.name.as_str() {
            "DEVICE_DELETED" => Some(Self::Deleted(id)),
            "DEVICE_UNPLUG_GUEST_ERROR" => Some(Self::Kept(id)),
            _ => None,
        }
    }
}

/// Id in QEMU of a function that came while the guest ran.
pub(super) fn id(bdf: Bdf) -> String {
    format!("hot-{bdf}").replace(':', "-")
}

/// What QEMU's command line gives it.
pub(super) fn planned(plan: &Contents) -> BTreeMap<String, Bdf> {
    let function = |device: Value| Some((device["id"].as_str()?.to_owned(), device["host"].as_str()?.parse().ok()?));
    plan.argv.json("-device").filter_map(function).collect()
}

/// The passed functions that QEMU has, by the ids of its devices.
pub(super) async fn passed(qmp: &Qmp) -> Result<BTreeMap<String, Bdf>, QmpError> {
    let children = qmp.raw("qom-list", &json!({ "path": PERIPHERAL })).await?;
    let mut passed = BTreeMap::new();
    for child in children.as_array().into_iter().flatten().filter(|child| child["type"] == "child<vfio-pci>") {
        let Some(id) = child["name"].as_str() else { continue };
        let host = json!({ "path": format!("{PERIPHERAL}/{id}"), "property": "host" });
        if let Some(bdf) = qmp.raw("qom-get", &host).await?.as_str().and_then(|host| host.parse().ok()) {
            passed.insert(id.to_owned(), bdf);
        }
    }
    Ok(passed)
}

#[cfg(test)]
mod test {
    use super::{Said, id};
    use crate::qemu::Event;
    use serde_json::json;

    #[test]
    fn an_id_is_one_that_qemu_takes() {
        assert_eq!(id("0000:0a:00.1".parse().unwrap()), "hot-0000-0a-00.1");
    }

    #[test]
    fn a_guest_that_refuses_is_told_from_one_that_has_let_go() {
        let event = |name: &str| Event { name: name.into(), data: json!({ "device": "pci0" }), at: None };
        assert_eq!(Said::of(&event("DEVICE_DELETED")), Some(Said::Deleted("pci0".into())));
        assert_eq!(Said::of(&event("DEVICE_UNPLUG_GUEST_ERROR")), Some(Said::Kept("pci0".into())));
        assert_eq!(Said::of(&event("RESET")), None);
    }
}
