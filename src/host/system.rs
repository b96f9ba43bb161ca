//! The kernel and the distribution around it.

use super::Root;
use super::cpu::Processor;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The running kernel and the distribution; [`super::Area::System`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// `uname -r`.
    pub kernel: String,
    /// What the boot loader told it, `/proc/cmdline`.
    pub command_line: String,
    /// Lockdown: `none`, `integrity` or `confidentiality`; `None` for a kernel without. Source: `kernel_lockdown(7)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockdown: Option<String>,
    /// Parameters of KVM as `kvm.ignore_msrs`, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kvm: BTreeMap<String, String>,
    /// Parameters of VFIO as `vfio_iommu_type1.allow_unsafe_interrupts`, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vfio: BTreeMap<String, String>,
    /// `vendor_id` of the processor, like `GenuineIntel`; `None` in older dumps, which did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_vendor: Option<String>,
    /// Of the processor's flags those that virtual machines need, like `svm`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cpu_flags: BTreeSet<String>,
    /// Programs that stand beside QEMU and are installed, like `swtpm`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub programs: BTreeSet<String>,
    /// Guests that libvirt starts when the machine boots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libvirt_autostart: Vec<String>,
    /// The clock that the kernel keeps time by, like `tsc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// Version of control groups at `/sys/fs/cgroup`: 2, or 1 for the old and the mixed layout; `None` without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<u8>,
    /// Controllers of version 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<String>,
    /// `ID`, `ID_LIKE`, `VERSION_ID` and `PRETTY_NAME` of the distribution, `os-release(5)`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub os: BTreeMap<String, String>,
}

impl System {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The kernel and the distribution.
pub(super) fn read(root: &Root, processor: &Processor) -> System {
    let controllers = root.text("/sys/fs/cgroup/cgroup.controllers");
    let old = || (!root.names("/sys/fs/cgroup").is_empty()).then_some(1);
    System {
        kernel: root.text("/proc/sys/kernel/osrelease").unwrap_or_default(),
        command_line: root.text("/proc/cmdline").unwrap_or_default(),
        lockdown: root.text("/sys/kernel/security/lockdown").and_then(|text| chosen(&text)),
        kvm: ["kvm", "kvm_amd", "kvm_intel"].iter().flat_map(|module| parameters(root, module)).collect(),
        vfio: ["vfio", "vfio_iommu_type1", "vfio_pci"].iter().flat_map(|module| parameters(root, module)).collect(),
        cpu_vendor: processor.vendor.clone(),
        cpu_flags: flags(processor),
        programs: PROGRAMS.iter().filter(|name| is_installed(root, name)).map(|name| (*name).to_owned()).collect(),
        libvirt_autostart: autostart(root),
        clock: root.text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        cgroup: controllers.as_ref().map(|_| 2).or_else(old),
        controllers: controllers.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect(),
        os: os(root),
    }
}

/// Flags of the processor that are told.
const FLAGS: [&str; 7] = ["vmx", "svm", "hypervisor", "pdpe1gb", "constant_tsc", "nonstop_tsc", "tsc_known_freq"];

/// Programs that stand beside QEMU.
const PROGRAMS: [&str; 4] = ["passt", "swtpm", "virtiofsd", "virsh"];

/// Where distributions have programs, also those that are not in `PATH`.
const PLACES: [&str; 8] = [
    "/usr/local/bin",
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/usr/libexec",
    "/usr/lib/qemu",
    "/usr/lib",
    "/run/current-system/sw/bin",
];

fn is_installed(root: &Root, name: &str) -> bool {
    PLACES.iter().map(|folder| format!("{folder}/{name}")).any(|path| root.executable(path))
}

fn flags(processor: &Processor) -> BTreeSet<String> {
    processor.flags.split_ascii_whitespace().filter(|flag| FLAGS.contains(flag)).map(str::to_owned).collect()
}

/// Names of the links that `virsh autostart` makes, which users may list though not read; libvirt `virdomainobjlist.c`.
fn autostart(root: &Root) -> Vec<String> {
    let names = root.names("/etc/libvirt/qemu/autostart").into_iter();
    names.filter_map(|name| Some(name.strip_suffix(".xml")?.to_owned())).collect()
}

/// The word in brackets of a file with all that could be chosen.
fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

fn parameters(root: &Root, module: &str) -> Vec<(String, String)> {
    let folder = format!("/sys/module/{module}/parameters");
    let names = root.names(&folder).into_iter();
    names.filter_map(|name| Some((format!("{module}.{name}"), root.text(format!("{folder}/{name}"))?))).collect()
}

fn os(root: &Root) -> BTreeMap<String, String> {
    let text = root.text("/etc/os-release").or_else(|| root.text("/usr/lib/os-release")).unwrap_or_default();
    let fields = text.lines().filter_map(|line| line.split_once('='));
    let wanted = fields.filter(|(name, _)| ["ID", "ID_LIKE", "VERSION_ID", "PRETTY_NAME"].contains(name));
    wanted.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect()
}

#[cfg(test)]
mod test {
    use super::{Processor, System, read};
    use crate::host::tree::lay_out;

    #[test]
    fn a_kernel_tells_of_itself_and_of_kvm() {
        let tree = lay_out(&[
            ("/proc/sys/kernel/osrelease", "6.1.0-49-amd64\n"),
            ("/proc/cmdline", "quiet intel_iommu=on\n"),
            ("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n"),
            ("/sys/module/kvm/parameters/ignore_msrs", "N\n"),
            ("/sys/module/kvm_amd/parameters/npt", "Y\n"),
            ("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
            ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n"),
            ("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm pdpe1gb\n"),
            ("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n"),
            ("/etc/libvirt/qemu/autostart/win10.xml", ""),
            ("/usr/lib/os-release", "NAME=\"Arch Linux\"\nID=arch\nPRETTY_NAME=\"Arch Linux\"\n"),
        ]);
        let system = read(&tree.root, &Processor::read(&tree.root));
        assert_eq!((system.kernel.as_str(), system.command_line.as_str()), ("6.1.0-49-amd64", "quiet intel_iommu=on"));
        assert_eq!(system.lockdown.as_deref(), Some("integrity"));
        assert_eq!((system.kvm["kvm.ignore_msrs"].as_str(), system.kvm["kvm_amd.npt"].as_str()), ("N", "Y"));
        assert_eq!((system.clock.as_deref(), system.cgroup), (Some("tsc"), Some(2)));
        assert_eq!(system.controllers, ["cpuset", "cpu", "io", "memory"]);
        assert_eq!(system.cpu_vendor.as_deref(), Some("AuthenticAMD"));
        assert_eq!(system.cpu_flags.iter().map(String::as_str).collect::<Vec<_>>(), ["pdpe1gb", "svm"]);
        assert_eq!(system.vfio["vfio.enable_unsafe_noiommu_mode"], "N");
        assert_eq!(system.libvirt_autostart, ["win10"]);
        assert_eq!((system.os["ID"].as_str(), system.os.contains_key("NAME")), ("arch", false));
    }

    #[test]
    fn the_old_layout_of_control_groups_is_version_1_and_an_empty_tree_has_none() {
        let old = lay_out(&[("/sys/fs/cgroup/memory/tasks", "")]);
        assert_eq!(read(&old.root, &Processor::default()).cgroup, Some(1));
        assert_eq!(read(&lay_out(&[]).root, &Processor::default()), System::default());
    }
}
