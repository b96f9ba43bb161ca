//! Host CPUs and how they share cores, packages and nodes.
//!
//! Source: Linux `Documentation/admin-guide/cputopology.rst`.

mod cache;
mod frequency;
mod processor;
mod set;

pub(super) use frequency::read as frequency;
pub(super) use processor::Processor;

pub use cache::Cache;
pub use frequency::Frequency;
pub use set::{CoreKind, CpuSets};

use super::{Node, Root};
use crate::unit::CpuSet;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A host CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// The kernel's number.
    pub id: u32,
    /// `topology/core_id`; repeats across packages.
    pub core: u32,
    /// `topology/physical_package_id`.
    pub package: u32,
    /// NUMA node.
    pub node: u32,
    /// Sibling threads of its core, itself included, from `topology/thread_siblings_list`.
    pub siblings: CpuSet,
    /// What its core is made for, on a hybrid processor; [`super::Area::Cpus`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<CoreKind>,
    /// Its highest frequency in kHz, `cpufreq/cpuinfo_max_freq`; [`super::Area::Frequency`], as all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_khz: Option<u32>,
    /// Its governor, `cpufreq/scaling_governor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    /// Its energy performance preference, `cpufreq/energy_performance_preference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<String>,
    /// Number of its frequency policy, the folder `cpufreq/policy<N>` to which its `cpufreq` leads; host CPUs of one
    /// policy share frequency and governor. `None` in older dumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<u32>,
}

const FOLDER: &str = "/sys/devices/system/cpu";

/// The host CPUs that run: the list `online`, or all `cpu<N>` folders where a kernel shows no such list.
pub(super) fn online(root: &Root) -> CpuSet {
    let listed = root.text(format!("{FOLDER}/online")).map(|text| list(&text)).unwrap_or_default();
    if listed.is_empty() { folders(root) } else { listed }
}

fn folders(root: &Root) -> CpuSet {
    let names = root.names(FOLDER);
    let numbers: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("cpu")).collect();
    list(&numbers.join(","))
}

/// The CPUs of a list of the kernel; a part that no affinity mask can hold is left out.
pub(super) fn list(text: &str) -> CpuSet {
    let mut cpus = CpuSet::default();
    for part in text.split(',').filter_map(|part| CpuSet::from_str(part).ok()) {
        cpus.extend(part.iter());
    }
    cpus
}

/// Topology of the CPUs in `online`; one whose topology the kernel does not show is a core of its own.
pub(super) fn read(root: &Root, online: &CpuSet, nodes: &[Node]) -> Vec<Cpu> {
    let mut cpus: Vec<Cpu> = Vec::with_capacity(online.len());
    for id in online.iter() {
        // Siblings share everything but their number: one look per core halves the reads on a machine with threads.
        let sibling = cpus.iter().find(|cpu| cpu.siblings.contains(id));
        let cpu = sibling.map_or_else(|| read_one(root, id, nodes), |cpu| Cpu { id, ..cpu.clone() });
        cpus.push(cpu);
    }
    cpus
}

fn read_one(root: &Root, id: u32, nodes: &[Node]) -> Cpu {
    let topology = |name: &str| root.text(format!("{FOLDER}/cpu{id}/topology/{name}"));
    // Kernels since 5.3 call the list core_cpus_list; the old name stays for its readers.
    let mut siblings = topology("thread_siblings_list")
        .or_else(|| topology("core_cpus_list"))
        .map(|text| list(&text))
        .unwrap_or_default();
    siblings.extend([id]);
    Cpu {
        id,
        core: topology("core_id").and_then(|text| text.parse().ok()).unwrap_or(id),
        // The kernel writes -1 where the firmware tells it no package.
        package: topology("physical_package_id").and_then(|text| text.parse().ok()).unwrap_or(0),
        node: nodes.iter().find(|node| node.cpus.contains(id)).map_or(0, |node| node.id),
        siblings,
        ..Cpu::default()
    }
}

/// What a close look at the host CPUs tells beyond their topology.
pub(super) struct Close {
    pub(super) caches: Vec<Cache>,
    pub(super) sets: CpuSets,
}

/// Looks closely, and fills in the kind of each of `cpus`.
pub(super) fn close(root: &Root, online: &CpuSet, cpus: &mut [Cpu]) -> Close {
    set::kinds(root, cpus);
    Close { caches: cache::read(root, online), sets: set::read(root) }
}

#[cfg(test)]
mod test {
    use super::{list, online, read};
    use crate::host::tree::{lay_out, quad_core_with_threads};

    #[test]
    fn siblings_of_the_quad_core_share_a_core_four_numbers_apart() {
        let tree = lay_out(&quad_core_with_threads());
        let cpus = read(&tree.root, &online(&tree.root), &[]);
        let cores: Vec<_> = cpus.iter().map(|cpu| (cpu.id, cpu.core, cpu.siblings.to_string())).collect();
        let expected = [0, 1, 2, 3, 4, 5, 6, 7].map(|id| (id, id % 4, format!("{},{}", id % 4, id % 4 + 4)));
        assert_eq!(cores, expected);
    }

    #[test]
    fn a_cpu_that_is_switched_off_is_not_listed() {
        let tree = lay_out(&[("/sys/devices/system/cpu/online", "0,2-3\n")]);
        assert_eq!(online(&tree.root).to_string(), "0,2-3");
    }

    #[test]
    fn without_topology_each_cpu_is_a_core_of_its_own() {
        let tree = lay_out(&[
            ("/sys/devices/system/cpu/cpu0/uevent", ""),
            ("/sys/devices/system/cpu/cpu1/uevent", ""),
            ("/sys/devices/system/cpu/cpuidle/current_driver", "none\n"),
        ]);
        let cpus = read(&tree.root, &online(&tree.root), &[]);
        let cores: Vec<_> = cpus.iter().map(|cpu| (cpu.id, cpu.core, cpu.package, cpu.siblings.to_string())).collect();
        assert_eq!(cores, [(0, 0, 0, "0".to_owned()), (1, 1, 0, "1".to_owned())]);
    }

    #[test]
    fn an_unknown_package_is_package_0_and_the_new_name_of_the_list_is_read() {
        let tree = lay_out(&[
            ("/sys/devices/system/cpu/online", "0-1\n"),
            ("/sys/devices/system/cpu/cpu0/topology/physical_package_id", "-1\n"),
            ("/sys/devices/system/cpu/cpu0/topology/core_cpus_list", "0-1\n"),
        ]);
        let cpus = read(&tree.root, &online(&tree.root), &[]);
        assert_eq!((cpus[1].package, cpus[1].siblings.to_string()), (0, "0-1".to_owned()));
    }

    #[test]
    fn a_part_beyond_the_affinity_mask_does_not_hide_the_rest() {
        assert_eq!(list("0-3,1024-2047").to_string(), "0-3");
    }
}
