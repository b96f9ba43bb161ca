//! NUMA nodes and their pools of huge pages.
//!
//! Source: Linux `Documentation/admin-guide/mm/hugetlbpage.rst` and `Documentation/ABI/stable/sysfs-devices-node`.

use super::Root;
use super::cpu::list;
use crate::unit::{CpuSet, Size};
use serde::{Deserialize, Serialize};

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The kernel's number.
    pub id: u32,
    /// Its host CPUs.
    pub cpus: CpuSet,
    /// Its pools of huge pages.
    pub pools: Vec<Pool>,
}

/// A pool of huge pages of one size on one NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Size of a page.
    pub size: Size,
    /// Pages in the pool, `nr_hugepages`.
    pub total: u64,
    /// Of them unused, `free_hugepages`.
    pub free: u64,
}

const FOLDER: &str = "/sys/devices/system/node";

/// Pools of the whole machine: their place in a kernel without NUMA.
const WHOLE: &str = "/sys/kernel/mm/hugepages";

/// The nodes by number; one with all CPUs in `online` where the kernel has no node folder.
pub(super) fn read(root: &Root, online: &CpuSet) -> Vec<Node> {
    let mut ids: Vec<u32> =
        root.names(FOLDER).iter().filter_map(|name| name.strip_prefix("node")?.parse().ok()).collect();
    ids.sort_unstable();
    if ids.is_empty() {
        return vec![Node { id: 0, cpus: online.clone(), pools: pools(root, WHOLE) }];
    }
    ids.into_iter().map(|id| read_one(root, id)).collect()
}

fn read_one(root: &Root, id: u32) -> Node {
    let cpus = root.text(format!("{FOLDER}/node{id}/cpulist")).map(|text| list(&text)).unwrap_or_default();
    Node { id, cpus, pools: pools(root, &format!("{FOLDER}/node{id}/hugepages")) }
}

/// The pools in `folder`, smallest pages first.
fn pools(root: &Root, folder: &str) -> Vec<Pool> {
    let mut pools: Vec<Pool> = root.names(folder).iter().filter_map(|name| pool(root, folder, name)).collect();
    pools.sort_by_key(|pool| pool.size);
    pools
}

fn pool(root: &Root, folder: &str, name: &str) -> Option<Pool> {
    let kib: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    let pages = |file: &str| root.text(format!("{folder}/{name}/{file}"))?.parse().ok();
    Some(Pool {
        size: Size::from_bytes(kib.checked_mul(1024)?),
        total: pages("nr_hugepages")?,
        free: pages("free_hugepages")?,
    })
}

#[cfg(test)]
mod test {
    use super::read;
    use crate::host::tree::{lay_out, quad_core_with_threads, two_nodes};
    use crate::host::{Host, Node, Pool, Wants};
    use crate::unit::Size;

    fn pool(size: &str, total: u64, free: u64) -> Pool {
        Pool { size: size.parse::<Size>().unwrap(), total, free }
    }

    #[test]
    fn each_node_has_its_own_cpus_and_pools() {
        let tree = lay_out(&two_nodes());
        let nodes = read(&tree.root, &"0-3".parse().unwrap());
        assert_eq!(
            nodes,
            [
                Node { id: 0, cpus: "0,2".parse().unwrap(), pools: vec![pool("2M", 512, 500), pool("1G", 4, 0)] },
                Node { id: 1, cpus: "1,3".parse().unwrap(), pools: vec![pool("2M", 0, 0), pool("1G", 8, 8)] },
            ]
        );
    }

    #[test]
    fn a_cpu_knows_its_node() {
        let tree = lay_out(&two_nodes());
        let host = Host::read_for(&tree.root, &tree.caller, &Wants::default());
        let nodes: Vec<_> = host.cpus.iter().map(|cpu| (cpu.id, cpu.node)).collect();
        assert_eq!(nodes, [(0, 0), (1, 1), (2, 0), (3, 1)]);
    }

    #[test]
    fn a_machine_without_numa_is_one_node_with_the_pools_of_the_whole() {
        let mut files = quad_core_with_threads();
        files.push(("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "1024\n"));
        files.push(("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "1000\n"));
        let tree = lay_out(&files);
        let nodes = read(&tree.root, &"0-7".parse().unwrap());
        assert_eq!(nodes, [Node { id: 0, cpus: "0-7".parse().unwrap(), pools: vec![pool("2M", 1024, 1000)] }]);
    }

    #[test]
    fn node_10_comes_after_node_2() {
        let tree = lay_out(&[
            ("/sys/devices/system/node/node10/cpulist", "1\n"),
            ("/sys/devices/system/node/node2/cpulist", "0\n"),
        ]);
        let ids: Vec<_> = read(&tree.root, &"0-1".parse().unwrap()).iter().map(|node| node.id).collect();
        assert_eq!(ids, [2, 10]);
    }
}
