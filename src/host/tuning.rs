//! What of the host's own work can be kept off host CPUs, and where it is now; [`super::Area::Tuning`].

use super::{Root, resctrl, resctrl::Resctrl};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the host's own work may run, and what else is tuned for a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Interrupts that have a place, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub irqs: Vec<Irq>,
    /// Files with a mask of the CPUs that workers of the kernel may run on, in hexadecimal digits, and what they hold:
    /// work queues, and the steering of received packets. Linux: `Documentation/core-api/workqueue.rst`,
    /// `Documentation/networking/scaling.rst`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<String, String>,
    /// The units of systemd below which all of the host's processes are, and the CPUs that each is confined to; empty for
    /// one that is not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slices: BTreeMap<String, String>,
    /// Without systemd: the control groups at the root of all, by path, and the CPUs that each is confined to; empty for
    /// one that is not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
    /// Without systemd: whether control groups are confined to CPUs; `None` where they cannot be, as they are of version 1
    /// or not at `/sys/fs/cgroup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<bool>,
    /// `/sys/kernel/mm/ksm/run`: 0 for off, 1 for on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ksm: Option<String>,
    /// Whether there is `/dev/cpu_dma_latency`; Linux `Documentation/power/pm_qos_interface.rst`.
    #[serde(default)]
    pub latency: bool,
    /// How caches and the memory's bandwidth can be shared out; `None` where they cannot, and in older dumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resctrl: Option<Resctrl>,
}

/// An interrupt line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Irq {
    /// The kernel's number.
    pub number: u32,
    /// Who handles it, like `nvme0q1`; empty when nobody does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub handler: String,
    /// Where it may go, `smp_affinity_list`. Linux: `Documentation/core-api/irq/irq-affinity.rst`.
    pub cpus: String,
}

/// The control groups of all processes of a host under systemd. `machine.slice` is left to the guests of others.
const SLICES: [&str; 3] = ["init.scope", "system.slice", "user.slice"];

/// Where the control groups are, of version 2.
const GROUPS: &str = "/sys/fs/cgroup";

pub(super) fn read(root: &Root, systemd: bool) -> Tuning {
    let cpuset = if systemd { None } else { cpuset(root) };
    Tuning {
        irqs: irqs(root),
        masks: masks(root),
        slices: slices(root),
        groups: cpuset.map(|_| groups(root)).unwrap_or_default(),
        cpuset,
        ksm: root.text("/sys/kernel/mm/ksm/run"),
        latency: root.exists("/dev/cpu_dma_latency"),
        resctrl: resctrl::read(root),
    }
}

fn irqs(root: &Root) -> Vec<Irq> {
    let handlers = handlers(&root.text("/proc/interrupts").unwrap_or_default());
    let mut numbers: Vec<u32> = root.names("/proc/irq").iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    let irq = |number: u32| {
        let cpus = root.text(format!("/proc/irq/{number}/smp_affinity_list"))?;
        Some(Irq { number, handler: handlers.get(&number).cloned().unwrap_or_default(), cpus })
    };
    numbers.into_iter().filter_map(irq).collect()
}

/// `  35:   0   12  IR-PCI-MSI-0000:01:00.0   0-edge   nvme0q1`: the handlers come last.
fn handlers(text: &str) -> BTreeMap<u32, String> {
    let line = |line: &str| {
        let (number, rest) = line.split_once(':')?;
        Some((number.trim().parse().ok()?, rest.split_ascii_whitespace().last()?.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn masks(root: &Root) -> BTreeMap<String, String> {
    const QUEUES: &str = "/sys/devices/virtual/workqueue";
    let mut paths = vec![format!("{QUEUES}/cpumask"), "/proc/irq/default_smp_affinity".to_owned()];
    paths.extend(root.names(QUEUES).iter().map(|name| format!("{QUEUES}/{name}/cpumask")));
    for link in root.names("/sys/class/net") {
        let folder = format!("/sys/class/net/{link}/queues");
        let receiving = root.names(&folder).into_iter().filter(|name| name.starts_with("rx-"));
        paths.extend(receiving.map(|queue| format!("{folder}/{queue}/rps_cpus")));
    }
    paths.into_iter().filter_map(|path| root.text(&path).map(|mask| (path, mask))).collect()
}

fn slices(root: &Root) -> BTreeMap<String, String> {
    let folder = |unit: &str| format!("/sys/fs/cgroup/{unit}");
    let there = SLICES.into_iter().filter(|unit| root.exists(folder(unit)));
    // Without the file nobody is confined: the controller is not even on.
    there.map(|unit| (unit.to_owned(), root.text(folder(unit) + "/cpuset.cpus").unwrap_or_default())).collect()
}

/// Linux: `Documentation/admin-guide/cgroup-v2.rst`. The controller is a word of the list.
fn cpuset(root: &Root) -> Option<bool> {
    let has =
        |file: &str| root.text(format!("{GROUPS}/{file}")).is_some_and(|text| text.split(' ').any(|it| it == "cpuset"));
    has("cgroup.controllers").then(|| has("cgroup.subtree_control"))
}

fn groups(root: &Root) -> BTreeMap<String, String> {
    let folders = root.names(GROUPS).into_iter().map(|name| format!("{GROUPS}/{name}"));
    let there = folders.filter(|folder| root.exists(format!("{folder}/cgroup.procs")));
    there
        .map(|folder| {
            let cpus = root.text(format!("{folder}/cpuset.cpus")).unwrap_or_default();
            (folder, cpus)
        })
        .collect()
}

#[cfg(test)]
mod test {
    use super::{Irq, read};
    use crate::host::tree::lay_out;

    #[test]
    fn interrupts_are_named_by_their_handlers_and_slices_by_their_confinement() {
        let tree = lay_out(&[
            (
                "/proc/interrupts",
                "      CPU0 CPU1\n  9:  0  4  IO-APIC  9-fasteoi  acpi\n 35:  1  2  PCI-MSI 0-edge  nvme0q1\nNMI:  0  0  Non-maskable interrupts\n",
            ),
            ("/proc/irq/9/smp_affinity_list", "0-1\n"),
            ("/proc/irq/35/smp_affinity_list", "1\n"),
            ("/proc/irq/default_smp_affinity", "3\n"),
            ("/sys/devices/virtual/workqueue/cpumask", "3\n"),
            ("/sys/devices/virtual/workqueue/writeback/cpumask", "3\n"),
            ("/sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n"),
            ("/sys/class/net/eth0/queues/tx-0/xps_cpus", "1\n"),
            ("/sys/fs/cgroup/system.slice/cpuset.cpus", "\n"),
            ("/sys/fs/cgroup/user.slice/cgroup.procs", ""),
        ]);
        let tuning = read(&tree.root, true);
        let irq = |number, handler: &str, cpus: &str| Irq { number, handler: handler.into(), cpus: cpus.into() };
        assert_eq!(tuning.irqs, [irq(9, "acpi", "0-1"), irq(35, "nvme0q1", "1")]);
        let masks: Vec<_> = tuning.masks.keys().map(|path| path.rsplit('/').next().unwrap()).collect();
        assert_eq!(masks, ["default_smp_affinity", "rps_cpus", "cpumask", "cpumask"]);
        let slices: Vec<_> = tuning.slices.iter().map(|(unit, cpus)| format!("{unit}={cpus}")).collect();
        assert_eq!(slices, ["system.slice=", "user.slice="]);
        assert!(!tuning.latency);
        assert_eq!(tuning.cpuset, None);
    }

    #[test]
    fn without_systemd_control_groups_of_version_2_are_told() {
        let tree = lay_out(&[
            ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io\n"),
            ("/sys/fs/cgroup/cgroup.subtree_control", "cpu\n"),
            ("/sys/fs/cgroup/openrc/cgroup.procs", ""),
            ("/sys/fs/cgroup/lxc/cgroup.procs", ""),
            ("/sys/fs/cgroup/lxc/cpuset.cpus", "0-1\n"),
        ]);
        let tuning = read(&tree.root, false);
        let groups: Vec<_> = tuning.groups.iter().map(|(path, cpus)| format!("{path}={cpus}")).collect();
        assert_eq!(groups, ["/sys/fs/cgroup/lxc=0-1", "/sys/fs/cgroup/openrc="]);
        assert_eq!(tuning.cpuset, Some(false));
        let older = lay_out(&[("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-1\n")]);
        assert_eq!(read(&older.root, false).cpuset, None);
    }
}
