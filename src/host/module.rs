//! Kernel modules. Source: `modules.dep(5)`, Linux `Documentation/ABI/testing/sysfs-module`.

use super::Root;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The modules that passing devices, virtual machines and their devices need.
const WANTED: [&str; 17] = [
    "iommufd",
    "kvm",
    "kvm_amd",
    "kvm_intel",
    "kvmfr",
    "pci_stub",
    "tun",
    "uinput",
    "vendor_reset",
    "vfio",
    "vfio_iommu_type1",
    "vfio_mdev",
    "vfio_pci",
    "vfio_pci_core",
    "vhost_net",
    "vhost_vsock",
    "virtiofs",
];

/// Where a kernel module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Module {
    /// At work, and loaded from a file.
    Loaded,
    /// Part of the kernel itself.
    Builtin,
    /// Not loaded; `modprobe` finds it.
    Available,
    /// Not there for the running kernel.
    Missing,
}

/// The state of each module in [`WANTED`], by its name with underscores.
pub(super) fn read(root: &Root) -> BTreeMap<String, Module> {
    let release = root.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let builtin = names(root, &format!("/lib/modules/{release}/modules.builtin"));
    // Half a megabyte, so it is read only for the sake of a module that is not at work.
    let mut files = None;
    let mut found = BTreeMap::new();
    for name in WANTED {
        let state = at_work(root, name, &builtin).unwrap_or_else(|| {
            let files = files.get_or_insert_with(|| names(root, &format!("/lib/modules/{release}/modules.dep")));
            if files.iter().any(|file| file == name) { Module::Available } else { Module::Missing }
        });
        found.insert(name.to_owned(), state);
    }
    found
}

/// Only a module that was loaded has a file `initstate`; one that is built in has a folder only if it has parameters.
fn at_work(root: &Root, name: &str, builtin: &[String]) -> Option<Module> {
    if root.exists(format!("/sys/module/{name}/initstate")) {
        return Some(Module::Loaded);
    }
    let inside = builtin.iter().any(|other| other == name) || root.exists(format!("/sys/module/{name}"));
    inside.then_some(Module::Builtin)
}

/// The modules that a list of files names, as `kernel/drivers/vfio/pci/vfio-pci.ko.xz: …`, among those in [`WANTED`].
fn names(root: &Root, list: &str) -> Vec<String> {
    let text = root.text(list).unwrap_or_default();
    text.lines().filter_map(wanted).collect()
}

fn wanted(line: &str) -> Option<String> {
    let path = line.split(':').next()?;
    let file = path.rsplit('/').next()?;
    let name = file.split(".ko").next()?.replace('-', "_");
    WANTED.contains(&name.as_str()).then_some(name)
}

#[cfg(test)]
mod test {
    use super::{Module, read};
    use crate::host::tree::lay_out;

    #[test]
    fn a_module_is_loaded_built_in_available_or_missing() {
        let tree = lay_out(&[
            ("/proc/sys/kernel/osrelease", "6.1.0-amd64\n"),
            ("/sys/module/kvm/initstate", "live\n"),
            ("/sys/module/vfio/parameters/x", ""),
            ("/lib/modules/6.1.0-amd64/modules.builtin", "kernel/drivers/iommu/iommufd/iommufd.ko\n"),
            (
                "/lib/modules/6.1.0-amd64/modules.dep",
                "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz\nupdates/dkms/kvmfr.ko:\n",
            ),
        ]);
        let modules = read(&tree.root);
        assert_eq!(modules["kvm"], Module::Loaded);
        assert_eq!(modules["vfio"], Module::Builtin);
        assert_eq!(modules["iommufd"], Module::Builtin);
        assert_eq!(modules["vfio_pci"], Module::Available);
        assert_eq!(modules["kvmfr"], Module::Available);
        assert_eq!(modules["vendor_reset"], Module::Missing);
    }
}
