//! Two sockets with a node each, sibling threads, and a card near the second.

use super::scene::{assert_said, look, profile, run, trace};
use crate::host::{self, Layout};
use crate::support::setup;

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

#[test]
fn a_guest_on_the_cards_node_has_its_vcpus_and_its_memory_there() {
    let [qemu, _newer] = setup::qemus();
    let look = look(
        "cd /proc/$VMRUN_PID
         for vcpu in 0 1 2 3; do
             thread=$(grep -lx \"CPU $vcpu/KVM\" task/*/comm)
             sed -n 's/^Cpus_allowed_list:\\t//p' ${thread%comm}status
         done
         grep huge numa_maps | grep -o 'N[0-9]=[0-9]*'",
    );
    let tables = format!(
        "hugepages = true
[cpu]
cores = 2
threads = 2
[cpu.pinning]
vcpus = [4, 5, 6, 7]
[[pci]]
device = \"81:00\"
addr = \"09\"
{look}"
    );
    let profile = profile(&qemu, "", &tables);
    let (ran, trace) = host::on(&Layout::NUMA_HT, |host| trace(host, |host| run(host, &profile)));
    assert_said(
        &ran.reply,
        &[
            "topology packages=1 cores=2 threads=2",
            "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
            "pci address=01:00.0 id=1234:1111",
        ],
    );
    assert_eq!(ran.seen, "4\n5\n6\n7\nN1=32");
    assert_eq!(trace, "");
}
