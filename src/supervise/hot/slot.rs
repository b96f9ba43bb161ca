//! Where in a guest that runs there is room for one more device.

use crate::qemu::Qmp;
use crate::supervise::control::Refusal;
use serde_json::{Value, json};
use std::fmt;

/// Device id of the i440FX host bridge, whose one bus takes devices while the guest runs; pci-ids.
const I440FX: u64 = 0x1237;
/// Device numbers of that bus; those below are the chipset's and, as a rule, the display's.
const NUMBERS: std::ops::Range<u64> = 3..32;

/// A place for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Id of the bus.
    bus: String,
    /// Number of the device on it.
    number: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str(&self.bus),
            number => write!(f, "{} {number:02x}", self.bus),
        }
    }
}

impl Place {
    /// The function with `properties`, here, called `id`; it keeps its number.
    pub(super) fn onto(&self, properties: &Value, id: &str) -> Value {
        let function = properties["addr"].as_str().and_then(|addr| addr.rsplit('.').next()).unwrap_or("0");
        let mut device = properties.clone();
        device["id"] = json!(id);
        device["bus"] = json!(self.bus);
        device["addr"] = json!(format!("{:02x}.{function}", self.number));
        device
    }
}

/// The first free place.
///
/// # Errors
/// When there is none, and when QEMU does not say.
pub(super) async fn free(qmp: &Qmp) -> Result<Place, Refusal> {
    let buses = qmp.raw("query-pci", &json!({})).await?;
    first(&buses).ok_or_else(|| {
        Refusal::ours("it has no free PCI Express port; its profile wants more  spare_ports  in  [pcie]")
    })
}

/// The first free place among what `query-pci` answers; QEMU: `qapi/pci.json`.
fn first(buses: &Value) -> Option<Place> {
    let devices = || buses[0]["devices"].as_array().into_iter().flatten();
    if devices().any(|device| device["slot"] == 0 && device["id"]["device"] == I440FX) {
        let taken = |number: &u64| devices().any(|device| device["slot"] == *number);
        let number = NUMBERS.into_iter().find(|number| !taken(number))?;
        return Some(Place { bus: "pci.0".into(), number });
    }
    let is_empty = |bridge: &Value| bridge["devices"].as_array().is_none_or(Vec::is_empty);
    let ports = devices().filter(|device| device["pci_bridge"].is_object() && is_empty(&device["pci_bridge"]));
    // Ports that vmrun made; others may have been made for something.
    let mut ids = ports.filter_map(|port| port["qdev_id"].as_str()).filter(|id| id.starts_with("rp"));
    ids.next().map(|bus| Place { bus: bus.to_owned(), number: 0 })
}

#[cfg(test)]
mod test {
    use super::{Place, first};
    use serde_json::json;

    #[test]
    fn the_first_empty_root_port_is_free() {
        let port = |id: &str, behind: serde_json::Value| json!({ "slot": 2, "qdev_id": id, "pci_bridge": behind });
        let q35 = |ports: Vec<serde_json::Value>| json!([{ "bus": 0, "devices": ports }]);
        let full = port("rp10.0", json!({ "devices": [{ "slot": 0 }] }));
        let empty = port("rp11.0", json!({ "devices": [] }));
        let older = port("rp12.0", json!({ "bus": {} }));
        let found = |ports| first(&q35(ports)).map(|place| place.to_string());
        assert_eq!(found(vec![full.clone(), empty, older.clone()]).as_deref(), Some("rp11.0"));
        assert_eq!(found(vec![full.clone(), older]).as_deref(), Some("rp12.0"));
        assert_eq!(found(vec![full]), None);
    }

    #[test]
    fn the_bus_of_a_pc_has_numbers() {
        let pc = json!([{ "devices": [{ "slot": 0, "id": { "device": 0x1237 } }, { "slot": 3 }] }]);
        assert_eq!(first(&pc), Some(Place { bus: "pci.0".into(), number: 4 }));
    }

    #[test]
    fn a_function_keeps_its_number() {
        let place = Place { bus: "rp11.0".into(), number: 0 };
        let device =
            place.onto(&json!({ "driver": "vfio-pci", "id": "pci0.1", "bus": "rp09.0", "addr": "00.1" }), "hot");
        assert_eq!(device, json!({ "driver": "vfio-pci", "id": "hot", "bus": "rp11.0", "addr": "00.1" }));
    }
}
