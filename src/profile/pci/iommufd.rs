//! `pci.iommufd`: the kernel's newer way to a device, by a node of its own in the place of its group's.
//!
//! Source: Linux `Documentation/userspace-api/iommufd.rst` and `Documentation/driver-api/vfio.rst`, "IOMMUFD and
//! `vfio_iommu_type1`"; QEMU `docs/devel/vfio-iommufd.rst`.

use super::Passed;
use crate::host::{Host, Module};
use crate::plan::{Binding, Change, Class, Descriptor, Draft, Origin, Presence, Problem};
use crate::profile::scene::Scene;
use crate::unit::Version;
use serde_json::json;

/// Id of the object, one for all devices.
pub(super) const ID: &str = "iommufd0";

/// QEMU's first with the object.
const FIRST: Version = Version::new(9, 0);

/// Drafts the object that the devices name, and judges whether kernel and QEMU have it. Before the load of vfio-pci.
pub(super) fn draft(passed: &[Passed], scene: &Scene, draft: &mut Draft) {
    let Some(first) = passed.iter().find(|one| one.table.iommufd) else { return };
    let key = format!("{}.iommufd", first.key);
    match scene.version.filter(|version| *version < FIRST) {
        Some(version) => draft.refuse(too_old(&key, version)),
        None => {
            let mut object = json!({"qom-type": "iommufd", "id": ID});
            if scene.user.is_some() {
                let node = Descriptor::File { path: "/dev/iommu".into() };
                object["fd"] = json!(draft.pass(node).to_string());
            }
            draft.contents.argv.object(&object, Origin::given(&key));
        }
    }
    if !scene.host.iommufd {
        return draft_kernel(&key, scene.host, draft);
    }
    // One that vfio-pci has already shows whether the kernel makes nodes of single devices.
    let shows = |one: &&Passed| {
        one.table.iommufd && one.function.driver.as_deref().is_some_and(|driver| Binding::only(driver).is_vfio())
    };
    if let Some(one) = passed.iter().filter(shows).find(|one| one.function.vfio_device.is_none()) {
        draft.refuse(no_node(one));
    }
}

fn too_old(key: &str, version: Version) -> Problem {
    Problem::new(Class::Missing, key, format!("QEMU {version} knows no iommufd"))
        .why(format!("QEMU {FIRST} is the first that does"))
        .fix("a newer QEMU, as qemu.binary; or leave iommufd out")
}

/// Loads the module, or says that there is none.
fn draft_kernel(key: &str, host: &Host, draft: &mut Draft) {
    if host.modules.get("iommufd") == Some(&Module::Available) {
        let (from, to) = (Presence::Absent, Presence::Present);
        draft.contents.changes.push(Change::Module { name: "iommufd".into(), from, to });
        return;
    }
    draft.refuse(
        Problem::new(Class::Missing, key, "the running kernel has no /dev/iommu")
            .why("it is there since Linux 6.2, where the kernel is built with CONFIG_IOMMUFD")
            .fix("leave iommufd out: VFIO's own way does the same for a guest"),
    );
}

fn no_node(one: &Passed) -> Problem {
    let what = format!("the kernel has no node of {} below /dev/vfio/devices", one.bdf());
    Problem::new(Class::Missing, format!("{}.iommufd", one.key), what)
        .why("it is there since Linux 6.6, where the kernel is built with CONFIG_VFIO_DEVICE_CDEV")
        .fix("leave iommufd out: VFIO's own way does the same for a guest")
}
