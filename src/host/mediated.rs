//! Mediated devices: parts of a device that its driver on the host deals out to guests, like the vGPUs of a graphics card.
//! Source: Linux `Documentation/driver-api/vfio-mediated-device.rst`.

use super::Root;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const PARENTS: &str = "/sys/class/mdev_bus";
const DEVICES: &str = "/sys/bus/mdev/devices";

/// Mediated devices, and what makes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mediated {
    /// Devices whose drivers make mediated ones, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<MdevParent>,
    /// Mediated devices that are there, by UUID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Mdev>,
}

/// A device whose driver makes mediated ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MdevParent {
    /// Its name in `/sys/class/mdev_bus`: of a PCI function its address.
    pub name: String,
    /// What it makes.
    pub types: Vec<MdevType>,
}

/// A kind of mediated device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MdevType {
    /// Its folder in `mdev_supported_types`, like `i915-GVTg_V5_4`.
    pub id: String,
    /// What its driver calls it; many give no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As many can still be made.
    pub available: u32,
    /// How it is driven, `vfio-pci` for what is a PCI function.
    pub api: String,
}

/// A mediated device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mdev {
    /// Its name on the host.
    pub uuid: Uuid,
    /// Name of the device that made it; `None` where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Its [`MdevType::id`].
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its IOMMU group, which is its alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iommu_group: Option<u32>,
}

impl Mediated {
    /// Whether there is nothing of the kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty() && self.devices.is_empty()
    }
}

pub(super) fn read(root: &Root) -> Mediated {
    let parents = root.names(PARENTS).into_iter().map(|name| MdevParent { types: types(root, &name), name });
    let devices = root.names(DEVICES).into_iter().filter_map(|name| device(root, &name));
    Mediated { parents: parents.collect(), devices: devices.collect() }
}

fn types(root: &Root, parent: &str) -> Vec<MdevType> {
    let folder = format!("{PARENTS}/{parent}/mdev_supported_types");
    let kind = |id: String| {
        let text = |file: &str| root.text(format!("{folder}/{id}/{file}"));
        Some(MdevType {
            name: text("name").filter(|name| !name.is_empty()),
            available: text("available_instances")?.parse().ok()?,
            api: text("device_api")?,
            id,
        })
    };
    root.names(&folder).into_iter().filter_map(kind).collect()
}

fn device(root: &Root, name: &str) -> Option<Mdev> {
    let folder = format!("{DEVICES}/{name}");
    // Its place in the tree of devices is in its parent's folder.
    let parent = root.link(&folder).and_then(|place| Some(place.parent()?.file_name()?.to_str()?.to_owned()));
    Some(Mdev {
        uuid: name.parse().ok()?,
        parent,
        kind: root.link_name(format!("{folder}/mdev_type")),
        iommu_group: root.link_name(format!("{folder}/iommu_group")).and_then(|group| group.parse().ok()),
    })
}

#[cfg(test)]
mod test {
    use super::{Mdev, MdevParent, MdevType, Mediated, read};
    use crate::host::tree::lay_out;

    /// As kvmgt lays them out for the graphics of a Skylake.
    #[test]
    fn a_card_tells_what_it_makes_and_what_it_has_made() {
        const CARD: &str = "/sys/devices/pci0000:00/0000:00:02.0";
        const UUID: &str = "b0c2f2a1-8d6f-4ac5-9d84-bb6f9a3e12b4";
        let file = |name: &str| format!("{CARD}/mdev_supported_types/i915-GVTg_V5_4/{name}");
        let tree = lay_out(&[
            (&file("available_instances"), "1\n"),
            (&file("device_api"), "vfio-pci\n"),
            (&file("create"), ""),
            (&format!("{CARD}/{UUID}/remove"), ""),
            (&format!("{CARD}/{UUID}/x"), ""),
            ("/sys/class/mdev_bus/x", ""),
            ("/sys/bus/mdev/devices/x", ""),
        ]);
        tree.link("/sys/class/mdev_bus/0000:00:02.0", "../../devices/pci0000:00/0000:00:02.0");
        tree.link(
            &format!("/sys/bus/mdev/devices/{UUID}"),
            &format!("../../../devices/pci0000:00/0000:00:02.0/{UUID}"),
        );
        tree.link(&format!("{CARD}/{UUID}/mdev_type"), "../mdev_supported_types/i915-GVTg_V5_4");
        tree.link(&format!("{CARD}/{UUID}/iommu_group"), "../../../../kernel/iommu_groups/14");
        let Mediated { parents, devices } = read(&tree.root);
        let kind = MdevType { id: "i915-GVTg_V5_4".into(), name: None, available: 1, api: "vfio-pci".into() };
        assert_eq!(parents[0], MdevParent { name: "0000:00:02.0".into(), types: vec![kind] });
        let parent = Some("0000:00:02.0".to_owned());
        let made =
            Mdev { uuid: UUID.parse().unwrap(), parent, kind: Some("i915-GVTg_V5_4".into()), iommu_group: Some(14) };
        assert_eq!(devices, [made]);
        assert!(read(&lay_out(&[]).root).is_empty());
    }
}
