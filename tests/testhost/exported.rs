//! A script of `vmrun export` does on the host what vmrun does, and leaves it as it was.

use super::scene::{Ran, VMRUN, assert_said, look, profile, trace, write};
use crate::host::{self, Host, Layout, Lost};
use crate::support::setup;

/// Makes a script of `profile`, changes it by `edit`, and runs it to the end of its guest, without vmrun.
fn run(host: &mut Host, profile: &str, edit: &str) -> Result<Ran, Lost> {
    let reply = host.run(&format!(
        "{}rm -f /run/seen windows.sh
         {VMRUN} export profile.toml --to script -o windows.sh
         {edit}
         env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin dash windows.sh",
        write(profile)
    ))?;
    Ok(Ran { reply, seen: host.run("cat /run/seen")?.text() })
}

/// Where QEMU and its threads are, and the host's processes.
const ROOM: &str = "cd /sys/fs/cgroup
    cat vmrun.host/cpuset.cpus vmrun-windows/cpuset.cpus.partition
    for task in /proc/$VMRUN_PID/task/*; do
        echo $(cat $task/cgroup) $(sed -n 's/^Cpus_allowed_list:\\t//p' $task/status)
    done | sort | uniq";

#[test]
fn its_vcpus_have_a_partition_of_host_cpus_and_the_hosts_processes_come_back() {
    let [qemu, _newer] = setup::qemus();
    let tables = format!("[cpu]\ncores = 2\n[cpu.pinning]\nvcpus = [2, 3]\n[tune]\nisolate = true\n{}", look(ROOM));
    let profile = profile(&qemu, "report=brief", &tables);
    let (ran, trace) = host::on(&Layout::KVM, |host| trace(host, |host| run(host, &profile, "")));
    assert_said(&ran.reply, &[]);
    assert_eq!(ran.seen, "0-1\nisolated\n0::/ 0-1\n0::/vmrun-windows 2\n0::/vmrun-windows 3", "{}", ran.reply);
    assert_eq!(trace, "");
}

#[test]
fn without_huge_pages_it_takes_what_memory_fallback_says() {
    let [qemu, _newer] = setup::qemus();
    let pages = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";
    let look = look(&format!("tr '\\0' '\\n' </proc/$VMRUN_PID/cmdline | grep -c hugetlb; cat {pages}"));
    let tables = format!("hugepages = \"2M\"\nfallback = \"thp\"\n{look}");
    let profile = profile(&qemu, "report=brief", &tables);
    // More than there are.
    let edit = "sed -i 's/ 32 || return 1/ 999999 || return 1/' windows.sh";
    let ([had, not_had], trace) =
        host::on(&Layout::KVM, |host| trace(host, |host| Ok([run(host, &profile, "")?, run(host, &profile, edit)?])));
    assert_said(&had.reply, &[]);
    assert_eq!(had.seen, "1\n32", "{}", had.reply);
    assert_said(&not_had.reply, &["memory.fallback is used"]);
    assert_eq!(not_had.seen, "0\n0", "{}", not_had.reply);
    assert_eq!(trace, "");
}

#[test]
fn interrupts_of_a_passed_card_are_where_its_vcpus_are() {
    let [qemu, _newer] = setup::qemus();
    let tables = "[cpu]
pinning = \"auto:2\"
[[pci]]
device = \"81:00\"
[tune]
vfio_irqs = \"vcpus\"
[[hook]]
at = \"running\"
run = [\"sh\", \"-c\", '''
cat /proc/irq/$(sed -n 's/^ *\\([0-9]*\\):.*vfio-.*(0000:81:00.1)$/\\1/p' /proc/interrupts)/smp_affinity_list >/run/seen''']
";
    let profile = profile(&qemu, "report=brief", tables);
    let (ran, trace) = host::on(&Layout::NUMA_HT, |host| trace(host, |host| run(host, &profile, "")));
    assert_said(&ran.reply, &[]);
    assert_eq!(ran.seen, "6", "{}", ran.reply);
    assert_eq!(trace, "");
}
