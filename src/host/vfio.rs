//! The nodes by which programs reach VFIO. Linux: `Documentation/driver-api/vfio.rst`.

use super::Root;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Nodes of groups and the container's, nodes of single devices, and iommufd's.
const GROUPS: &str = "/dev/vfio";
const DEVICES: &str = "/dev/vfio/devices";
const IOMMU: &str = "/dev/iommu";

/// The nodes that are there and that this user may not open for reading and writing.
pub(super) fn denied(root: &Root) -> BTreeSet<PathBuf> {
    nodes(root).filter(|node| !root.readable_and_writable(node)).map(PathBuf::from).collect()
}

fn nodes(root: &Root) -> impl Iterator<Item = String> {
    let inside = |folder: &'static str| root.names(folder).into_iter().map(move |name| format!("{folder}/{name}"));
    let iommu = root.exists(IOMMU).then(|| IOMMU.to_owned());
    inside(GROUPS).filter(|path| path != DEVICES).chain(inside(DEVICES)).chain(iommu)
}

#[cfg(test)]
mod test {
    use super::nodes;
    use crate::host::tree::lay_out;
    use std::collections::BTreeSet;

    #[test]
    fn groups_devices_and_iommufd_have_nodes() {
        let tree = lay_out(&[
            ("/dev/vfio/vfio", ""),
            ("/dev/vfio/13", ""),
            ("/dev/vfio/devices/vfio0", ""),
            ("/dev/iommu", ""),
        ]);
        let found: BTreeSet<_> = nodes(&tree.root).collect();
        let expected = ["/dev/iommu", "/dev/vfio/13", "/dev/vfio/devices/vfio0", "/dev/vfio/vfio"];
        assert_eq!(found, expected.map(str::to_owned).into());
        assert_eq!(nodes(&lay_out(&[]).root).count(), 0);
    }
}
