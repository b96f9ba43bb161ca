//! Two sockets with a node each, sibling threads, and a card near the second.

use crate::host::{self, Layout};

#[test]
fn each_node_has_memory_and_sibling_threads_and_the_card_is_near_the_second() {
    let (cpus, siblings, memory, card) = host::on(&Layout::NUMA_HT, |host| {
        let cpus = host.ask("cat /sys/devices/system/node/node[01]/cpulist")?;
        let siblings = host.ask("cat /sys/devices/system/cpu/cpu[37]/topology/thread_siblings_list")?;
        let memory = host.ask("sed -n 's/.*MemTotal: *//p' /sys/devices/system/node/node[01]/meminfo")?;
        Ok((cpus, siblings, memory, host.ask("cd /sys/bus/pci/devices/0000:81:00.0; cat numa_node local_cpulist")?))
    });
    assert_eq!(cpus, "0-3\n4-7");
    assert_eq!(siblings, "2-3\n6-7");
    let kib: Vec<u64> = memory.lines().filter_map(|line| line.strip_suffix(" kB")?.parse().ok()).collect();
    assert!(matches!(kib[..], [first, second] if first.min(second) > 1_000_000), "{memory}");
    assert_eq!(card, "1\n4-7");
}

#[test]
fn huge_pages_are_taken_on_the_node_that_is_asked() {
    let pools = host::on(&Layout::NUMA_HT, |host| {
        host.ask(
            "cd /sys/devices/system/node
             echo 16 >node1/hugepages/hugepages-2048kB/nr_hugepages
             cat node[01]/hugepages/hugepages-2048kB/nr_hugepages
             echo 0 >node1/hugepages/hugepages-2048kB/nr_hugepages",
        )
    });
    assert_eq!(pools, "0\n16");
}
