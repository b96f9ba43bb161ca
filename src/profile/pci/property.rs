//! `pci.properties`: further properties of QEMU's `vfio-pci`, for cards that need a quirk.
//!
//! Source: QEMU `hw/vfio/pci.c`, `vfio_pci_dev_properties`.

use crate::host::Names;
use crate::plan::{Class, Draft, Problem};
use crate::profile::scene::Scene;
use crate::profile::source::nearest;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The device that they are of.
const DEVICE: &str = "vfio-pci";

/// Value of a property.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a property is true or false, a whole number or a text")]
pub(in crate::profile) enum Property {
    Switch(bool),
    Number(i64),
    Text(String),
}

/// Properties that are written anyway, with the key that they follow from.
pub(super) const OWN: [(&str, &str); 16] = [
    ("addr", "addr"),
    ("bus", "addr"),
    ("driver", "driver"),
    ("fd", "device"),
    ("host", "host"),
    ("id", "device"),
    ("iommufd", "iommufd"),
    ("multifunction", "multifunction"),
    ("rombar", "rombar"),
    ("romfile", "rom"),
    ("sysfsdev", "device"),
    ("x-pci-device-id", "spoof"),
    ("x-pci-sub-device-id", "spoof"),
    ("x-pci-sub-vendor-id", "spoof"),
    ("x-pci-vendor-id", "spoof"),
    ("x-vga", "x_vga"),
];

/// Notes problems of the `properties` of the table at `key`, of which those of `own` follow from other keys.
pub(in crate::profile) fn judge(
    properties: &BTreeMap<String, Property>,
    own: &[(&str, &str)],
    key: &str,
    scene: &Scene,
    draft: &mut Draft,
) {
    for name in properties.keys() {
        if let Some(problem) = lacking(name, key, scene) {
            draft.refuse(problem);
        } else if let Some((_, own)) = own.iter().find(|(property, _)| property == name) {
            let what = format!("{name} follows from {own}");
            let problem = Problem::new(Class::Invalid, format!("{key}.properties"), what);
            draft.refuse(problem.fix(format!("leave {name} out")));
        }
    }
}

/// The problem when QEMU says that it has no property `name`.
fn lacking(name: &str, key: &str, scene: &Scene) -> Option<Problem> {
    let qemu = scene.host.qemu.as_ref()?;
    if qemu.abilities.has_property(DEVICE, name) != Some(false) {
        return None;
    }
    let known: Vec<&str> = qemu.abilities.properties.get(DEVICE).into_iter().flat_map(Names::iter).collect();
    let fix = nearest(name, &known).map(|meant| format!("did you mean {meant}?"));
    let what = format!("QEMU {} has no property {name} of {DEVICE}", qemu.version);
    let list = format!("one of those that `{} -device {DEVICE},help` prints", qemu.path.display());
    Some(Problem::new(Class::Missing, format!("{key}.properties"), what).fix(fix.unwrap_or(list)))
}

/// Gives QEMU's device the `properties`.
pub(in crate::profile) fn onto(properties: &BTreeMap<String, Property>, device: &mut Value) {
    for (name, value) in properties {
        device[name.as_str()] = match value {
            Property::Switch(on) => json!(on),
            Property::Number(number) => json!(number),
            Property::Text(text) => json!(text),
        };
    }
}
