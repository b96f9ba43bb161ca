//! Device nodes, and the PCI functions that they lead to.

use super::super::Root;
use super::{PciFunction, behind};
use crate::unit::Bdf;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The functions behind each device node, by the node's path.
pub(super) fn nodes(root: &Root, functions: &[PciFunction]) -> BTreeMap<PathBuf, Vec<Bdf>> {
    let mut nodes: BTreeMap<PathBuf, Vec<Bdf>> = BTreeMap::new();
    let mut found = in_sysfs(root);
    found.extend(functions.iter().flat_map(|function| beside_sysfs(root, function)));
    for (path, bdf) in found {
        nodes.entry(path).or_default().push(bdf);
    }
    nodes
}

/// The nodes whose devices stand below a function in sysfs: graphics, sound, disks, USB and input devices.
fn in_sysfs(root: &Root) -> Vec<(PathBuf, Bdf)> {
    let mut found = Vec::new();
    for kind in ["/sys/dev/char", "/sys/dev/block"] {
        for number in root.names(kind) {
            let link = format!("{kind}/{number}");
            let Some(bdf) = root.link(&link).and_then(|place| behind(&place)) else { continue };
            if let Some(name) = root.line(format!("{link}/uevent"), "DEVNAME=") {
                found.push((Path::new("/dev").join(name.trim_start_matches("DEVNAME=")), bdf));
            }
        }
    }
    found
}

/// The nodes that sysfs does not show below the function: VFIO's by group, NVIDIA's by its own numbers, and the one
/// through which all AMD cards compute.
fn beside_sysfs(root: &Root, function: &PciFunction) -> Vec<(PathBuf, Bdf)> {
    let mut paths = Vec::new();
    paths.extend(function.iommu_group.map(|group| format!("/dev/vfio/{group}")));
    let nvidia = format!("/proc/driver/nvidia/gpus/{}/information", function.bdf);
    paths.extend(root.line(nvidia, "Device Minor:").and_then(|line| {
        let minor = line.split(':').nth(1)?.trim().to_owned();
        Some(format!("/dev/nvidia{minor}"))
    }));
    paths.extend((function.driver.as_deref() == Some("amdgpu")).then(|| "/dev/kfd".to_owned()));
    paths.into_iter().map(|path| (PathBuf::from(path), function.bdf)).collect()
}
