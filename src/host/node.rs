//! NUMA nodes and their pools of huge pages.
//!
//! Source: Linux `Documentation/admin-guide/mm/hugetlbpage.rst` and `Documentation/ABI/stable/sysfs-devices-node`.

use super::Root;
use super::cpu::list;
use crate::unit::{CpuSet, Size};
use serde::{Deserialize, Serialize};

/// A NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The kernel's number.
    pub id: u32,
    /// Its host CPUs.
    pub cpus: CpuSet,
    /// Its pools of huge pages; [`super::Area::HugePages`].
    pub pools: Vec<Pool>,
    /// Its memory; [`super::Area::Memory`], as all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Of it unused, not counting what could be dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<Size>,
    /// Of it held for files and in the kernel's caches, which could be dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaimable: Option<Size>,
    /// Free blocks of 2ⁿ pages, by n, from `/proc/buddyinfo`; huge pages are made of large ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<u64>,
    /// How far each node's memory is from here, in the firmware's measure: 10 for its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distances: Vec<u32>,
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
        return vec![Node { id: 0, cpus: online.clone(), ..Node::default() }];
    }
    let cpus = |id| root.text(format!("{FOLDER}/node{id}/cpulist")).map(|text| list(&text)).unwrap_or_default();
    ids.into_iter().map(|id| Node { id, cpus: cpus(id), ..Node::default() }).collect()
}

/// Fills in the pools of huge pages of each of `nodes`.
pub(super) fn pools(root: &Root, nodes: &mut [Node]) {
    for node in nodes {
        let own = format!("{FOLDER}/node{}", node.id);
        let folder = if root.exists(&own) { own + "/hugepages" } else { WHOLE.to_owned() };
        node.pools = pools_in(root, &folder);
    }
}

/// Fills in the memory of each of `nodes` and how it is cut up.
pub(super) fn memory(root: &Root, nodes: &mut [Node]) {
    let buddies = root.text("/proc/buddyinfo").unwrap_or_default();
    for node in nodes {
        let folder = format!("{FOLDER}/node{}", node.id);
        let own = root.text(format!("{folder}/meminfo"));
        // A kernel without NUMA has one table, that of the whole.
        let table = own.or_else(|| root.text("/proc/meminfo")).unwrap_or_default();
        node.memory = kib(&table, "MemTotal:");
        node.free = kib(&table, "MemFree:");
        let held = ["Active(file):", "Inactive(file):", "SReclaimable:"].iter().filter_map(|name| kib(&table, name));
        node.reclaimable = held.map(Size::bytes).reduce(|sum, part| sum + part).map(Size::from_bytes);
        node.blocks = blocks(&buddies, node.id);
        let distances = root.text(format!("{folder}/distance")).unwrap_or_default();
        node.distances = distances.split_ascii_whitespace().filter_map(|distance| distance.parse().ok()).collect();
    }
}

/// The amount behind `name` in a table whose lines may begin with the node's name.
fn kib(table: &str, name: &str) -> Option<Size> {
    let mut words = table.lines().map(str::split_ascii_whitespace).find_map(|mut words| {
        let found = words.any(|word| word == name);
        found.then_some(words)
    })?;
    let kib: u64 = words.next()?.parse().ok()?;
    kib.checked_mul(1024).map(Size::from_bytes)
}

/// Sums over the zones of node `id`: lines like `Node 0, zone   Normal   1046   527 …`.
fn blocks(buddies: &str, id: u32) -> Vec<u64> {
    let start = format!("Node {id}, zone");
    let mut sums: Vec<u64> = Vec::new();
    for zone in buddies.lines().filter_map(|line| line.strip_prefix(&start)) {
        for (order, count) in zone.split_ascii_whitespace().skip(1).enumerate() {
            let count: u64 = count.parse().unwrap_or(0);
            match sums.get_mut(order) {
                Some(sum) => *sum += count,
                None => sums.push(count),
            }
        }
    }
    sums
}

/// The pools in `folder`, smallest pages first.
fn pools_in(root: &Root, folder: &str) -> Vec<Pool> {
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
    use super::{pools, read};
    use crate::host::tree::{lay_out, quad_core_with_threads, two_nodes};
    use crate::host::{Area, Host, Node, Pool, Wants};
    use crate::unit::Size;

    fn pool(size: &str, total: u64, free: u64) -> Pool {
        Pool { size: size.parse::<Size>().unwrap(), total, free }
    }

    #[test]
    fn each_node_has_its_own_cpus_and_pools() {
        let tree = lay_out(&two_nodes());
        let mut nodes = read(&tree.root, &"0-3".parse().unwrap());
        pools(&tree.root, &mut nodes);
        assert_eq!(
            nodes,
            [
                Node {
                    id: 0,
                    cpus: "0,2".parse().unwrap(),
                    pools: vec![pool("2M", 512, 500), pool("1G", 4, 0)],
                    ..Node::default()
                },
                Node {
                    id: 1,
                    cpus: "1,3".parse().unwrap(),
                    pools: vec![pool("2M", 0, 0), pool("1G", 8, 8)],
                    ..Node::default()
                },
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
        let mut nodes = read(&tree.root, &"0-7".parse().unwrap());
        pools(&tree.root, &mut nodes);
        assert_eq!(
            nodes,
            [Node { id: 0, cpus: "0-7".parse().unwrap(), pools: vec![pool("2M", 1024, 1000)], ..Node::default() }]
        );
    }

    #[test]
    fn memory_and_its_free_blocks_are_told_by_node() {
        let mut files = two_nodes();
        files.extend([
            ("/sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 16777216 kB\nNode 0 MemFree: 1048576 kB\nNode 0 Active(file): 1024 kB\nNode 0 SReclaimable: 2048 kB\n"),
            ("/sys/devices/system/node/node0/distance", "10 21\n"),
            ("/sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 8388608 kB\nNode 1 MemFree: 524288 kB\n"),
            (
                "/proc/buddyinfo",
                "Node 0, zone      DMA      1      0      2\nNode 0, zone   Normal     10     20     30\n\
                 Node 1, zone   Normal      4      5      6\n",
            ),
        ]);
        let tree = lay_out(&files);
        let wants = Wants { areas: [Area::Memory].into(), ..Wants::default() };
        let nodes = Host::read_for(&tree.root, &tree.caller, &wants).nodes;
        let size = |text: &str| text.parse::<Size>().ok();
        assert_eq!((nodes[0].memory, nodes[0].free), (size("16G"), size("1G")));
        assert_eq!(nodes[0].reclaimable, size("3M"));
        assert_eq!(
            (nodes[0].blocks.as_slice(), nodes[1].blocks.as_slice()),
            ([11, 20, 32].as_slice(), [4, 5, 6].as_slice())
        );
        assert_eq!((nodes[0].distances.as_slice(), nodes[1].memory), ([10, 21].as_slice(), size("8G")));
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
