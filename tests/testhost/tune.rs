//! The host is tuned for a guest, its own work is kept off the guest's host CPUs, and all is as before afterwards.

use super::scene::{Steps, VMRUN, assert_refused, assert_said, kill_at_each_step, look, profile, run, trace, write};
use crate::host::{self, Host, Layout, Lost};
use crate::support::setup;

const PINS: &str = "[cpu]\ncores = 2\n[cpu.pinning]\nvcpus = [2, 3]\n";

/// Keeps a CPU busy from within `system.slice`.
const BUSY: &str = "systemd-run --quiet --unit=busy sh -c 'while :; do :; done'";

/// Does `work` beside a busy loop of the host.
fn beside_a_busy_loop<T>(host: &mut Host, work: impl FnOnce(&mut Host) -> Result<T, Lost>) -> Result<T, Lost> {
    host.ask(BUSY)?;
    let done = work(host);
    host.ask("systemctl stop busy.service")?;
    done
}

#[test]
fn the_hosts_processes_leave_the_guests_cpus_to_it_and_come_back() {
    let [qemu, _newer] = setup::qemus();
    let tables = format!(
        "{PINS}[tune]\nisolate = true\n{}",
        look(
            "cd /sys/fs/cgroup
             cat init.scope/cpuset.cpus system.slice/cpuset.cpus user.slice/cpuset.cpus
             sed -n 's/^Cpus_allowed_list:\\t//p' /proc/$(systemctl show -P MainPID busy.service)/status
             cut -d: -f3 /proc/$VMRUN_PID/cgroup | sed s/$VMRUN_PID/PID/
             sed -n 's/^Cpus_allowed_list:\\t//p' /proc/$VMRUN_PID/task/*/status | sort | uniq"
        )
    );
    let profile = profile(&qemu, "report=brief", &tables);
    let (ran, trace) = host::on(&Layout::SYSTEMD, |host| {
        host.ask("systemctl start user.slice")?;
        beside_a_busy_loop(host, |host| trace(host, |host| run(host, &profile)))
    });
    // A kernel before 6.7, as this one, has no partition for a part of a scope.
    assert_said(&ran.reply, &["the vCPUs have no partition of host CPUs, as a kernel before 6.7", "vmrun-guest: done"]);
    assert_eq!(ran.seen, "0-1\n0-1\n0-1\n0-1\n/vmrun-windows-PID.scope\n0-1\n2\n3");
    assert_eq!(trace, "");
}

/// What the guest's room looks like without systemd. The busy loop was started from the root of the control groups.
const ROOM: &str = "cd /sys/fs/cgroup
    cat vmrun.host/cpuset.cpus vmrun-windows/cpuset.cpus.partition
    cat /proc/$(cat /run/busy)/cgroup; sed -n 's/^Cpus_allowed_list:\\t//p' /proc/$(cat /run/busy)/status
    for task in /proc/$VMRUN_PID/task/*; do
        echo $(cat $task/cgroup) $(sed -n 's/^Cpus_allowed_list:\\t//p' $task/status)
    done | sort | uniq";

#[test]
fn without_systemd_the_same_is_done_with_control_groups_and_the_vcpus_have_a_partition() {
    let [qemu, _newer] = setup::qemus();
    let verify = format!("{VMRUN} verify windows; echo \"status $?\"");
    let disturb = format!("echo 0-3 >/sys/fs/cgroup/vmrun.host/cpuset.cpus; {verify}");
    let tables = format!("{PINS}[tune]\nisolate = true\n{}", look(&format!("{ROOM}\n{verify}\n{disturb}")));
    let profile = profile(&qemu, "report=brief", &tables);
    let (ran, trace) = host::on(&Layout::KVM, |host| {
        trace(host, |host| {
            host.ask("sh -c 'while :; do :; done' >/dev/null 2>&1 & echo $! >/run/busy")?;
            let ran = run(host, &profile);
            host.ask("kill $(cat /run/busy); rm /run/busy")?;
            ran
        })
    });
    assert_said(&ran.reply, &["host CPUs 2-3 are a partition of the vCPUs' own (isolated)", "vmrun-guest: done"]);
    let (room, pages) = ran.seen.split_once("windows: ").unwrap_or_else(|| panic!("{}", ran.seen));
    assert_eq!(room, "0-1\nisolated\n0::/vmrun.host\n0-1\n0::/ 0-1\n0::/vmrun-windows 2\n0::/vmrun-windows 3\n");
    // Columns are as wide as what is in them.
    let words = pages.split_whitespace().collect::<Vec<_>>().join(" ");
    let (good, bad) = words.split_once("status 0 ").unwrap_or_else(|| panic!("{pages}"));
    assert!(good.contains("ok partition host CPUs 2-3 are the vCPUs' alone (isolated)"), "{pages}");
    assert!(good.contains("ok host its processes are kept off host CPUs 2-3"), "{pages}");
    // The kernel gives up the partition when somebody else wants its host CPUs.
    assert!(bad.contains("WRONG partition the kernel gave it up: isolated invalid"), "{pages}");
    assert!(bad.contains("WRONG host processes of /sys/fs/cgroup/vmrun.host may run on 2-3"), "{pages}");
    assert!(bad.ends_with("status 8"), "{pages}");
    assert_eq!(trace, "");
}

#[test]
fn a_run_without_systemd_that_is_killed_leaves_the_host_gathered_until_it_is_recovered() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", &format!("{PINS}[tune]\nisolate = true\n"));
    let steps = host::on(&Layout::KVM, |host| kill_at_each_step(host, &profile, Steps::Some));
    assert!(steps >= 3, "{steps}");
}

#[test]
fn a_run_that_is_killed_leaves_the_slices_narrow_until_it_is_recovered() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", &format!("{PINS}[tune]\nisolate = true\nirqs_away = true\n"));
    let steps = host::on(&Layout::SYSTEMD, |host| kill_at_each_step(host, &profile, Steps::Some));
    assert!(steps >= 4, "{steps}");
}

#[test]
fn governors_interrupts_and_kernel_work_are_moved_and_restored() {
    let [qemu, _newer] = setup::qemus();
    let tables = format!(
        "{PINS}[tune]
governor = \"performance\"
irqs_away = true
kernel_work_away = true
halt_poll_ns = 0
ignore_msrs = true
transparent_hugepage = \"never\"
{}",
        look(
            "cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor
             cat /proc/irq/default_smp_affinity /sys/devices/virtual/workqueue/cpumask
             cat /sys/module/kvm/parameters/halt_poll_ns /sys/module/kvm/parameters/ignore_msrs
             sed 's/.*\\[//; s/\\].*//' /sys/kernel/mm/transparent_hugepage/enabled"
        )
    );
    let profile = profile(&qemu, "report=brief", &tables);
    let (ran, trace) = host::on(&Layout::SYSTEMD, |host| {
        host.ask(
            "for cpu in 0 1 2 3; do echo powersave >/sys/devices/system/cpu/cpu$cpu/cpufreq/scaling_governor; done",
        )?;
        trace(host, |host| run(host, &profile))
    });
    assert_said(&ran.reply, &["vmrun-guest: done"]);
    assert_eq!(ran.seen, "powersave\npowersave\nperformance\nperformance\n3\n3\n0\nY\nnever");
    assert_eq!(trace, "");
}

#[test]
fn the_last_of_two_guests_on_the_threads_of_a_core_gives_it_its_governor_back() {
    let [qemu, _newer] = setup::qemus();
    let of = |name: &str, cpu: u8| {
        let tables = format!("[cpu.pinning]\nvcpus = [{cpu}]\n[tune]\ngovernor = \"performance\"\n");
        let profile = profile(&qemu, "then=wait report=brief", &tables).replace("\"windows\"", &format!("\"{name}\""));
        format!("{}mv profile.toml {name}.toml", write(&profile))
    };
    let (levels, trace) = host::on(&Layout::SYSTEMD, |host| {
        host.ask("echo powersave | tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor")?;
        trace(host, |host| {
            host.ask(&of("one", 2))?;
            host.ask(&of("two", 3))?;
            let levels = host.ask(&format!(
                "cd /run/profile
                 start() {{ {VMRUN} run $1.toml >$1.log 2>&1 & }}
                 runs() {{ until grep -q 'guest running' $1.log; do sleep 0.2; kill -0 $2 || {{ cat $1.log; exit 1; }}; done; }}
                 stop() {{ {VMRUN} stop --force $1 >/dev/null 2>&1; wait $2; }}
                 level() {{ cat /sys/devices/system/cpu/cpufreq/policy2/scaling_governor; }}
                 cat /sys/devices/system/cpu/cpu3/cpufreq/affected_cpus
                 start one; one=$!; start two; two=$!; runs one $one; runs two $two; level
                 stop one $one; level; stop two $two; level"
            ));
            host.ask("rm -r /run/profile")?;
            levels
        })
    });
    assert_eq!(levels, "2 3\nperformance\nperformance\npowersave");
    assert_eq!(trace, "");
}

#[test]
fn auto_pins_are_on_the_cards_node_and_verified_until_somebody_changes_one() {
    let [qemu, _newer] = setup::qemus();
    let tables = format!(
        "[cpu]\npinning = \"auto:2\"
[[pci]]
device = \"81:00\"
[tune]
irqs_away = true
vfio_irqs = \"vcpus\"
{}",
        look(&format!(
            "{VMRUN} verify windows; echo \"status $?\"
             cat /proc/irq/default_smp_affinity
             cat /proc/irq/$(sed -n 's/^ *\\([0-9]*\\):.*vfio-.*(0000:81:00.1)$/\\1/p' /proc/interrupts)/smp_affinity_list
             thread=$(basename $(dirname $(grep -lx 'CPU 0/KVM' /proc/$VMRUN_PID/task/*/comm)))
             /run/vmrun-test/busybox taskset -p ff $thread >/dev/null
             {VMRUN} verify windows; echo \"status $?\""
        ))
    );
    let profile = profile(&qemu, "report=brief", &tables);
    let (ran, trace) = host::on(&Layout::NUMA_HT, |host| trace(host, |host| run(host, &profile)));
    assert_said(&ran.reply, &["vmrun-guest: done"]);
    let (good, bad) = ran.seen.split_once("status 0\n").unwrap_or_else(|| panic!("{}", ran.seen));
    assert!(good.contains("ok     vCPU 0        on 6; last ran on "), "{good}");
    assert!(good.contains("vfio-intx(0000:81:00.1) (IRQ ") && good.contains("goes to host CPUs 6"), "{good}");
    // The default, and the interrupt of the card's audio function, which has its first one at the start.
    assert!(bad.starts_with("3f\n6\n"), "{bad}");
    assert!(bad.contains("WRONG  vCPU 0") && bad.contains("may run on 0-7, and was pinned to 6"), "{bad}");
    assert!(bad.ends_with("status 8"), "{bad}");
    assert_eq!(trace, "");
}

/// What a start with `core_scheduling` comes to: with a kernel that has it, what `vmrun verify` reads while the guest runs;
/// with one built without, as Debian's, the refusal.
fn kept_off(built: bool) -> &'static str {
    if built { "ok cores its " } else { "cpu.pinning.core_scheduling: this kernel has no core scheduling" }
}

#[test]
fn strangers_are_kept_off_the_guests_cores_where_the_kernel_can() {
    let [qemu, _newer] = setup::qemus();
    let look = look(&format!("{VMRUN} verify windows; echo \"status $?\""));
    let tables = format!("[cpu.pinning]\nvcpus = [6]\ncore_scheduling = true\n{look}");
    let profile = profile(&qemu, "report=brief", &tables);
    let (symbols, ran, trace) = host::on(&Layout::NUMA_HT, |host| {
        // The kernel's own word, which is not what vmrun asks.
        let symbols = host.ask("grep -c ' sched_core_share_pid$' /proc/kallsyms || true")?;
        let (ran, trace) = trace(host, |host| run(host, &profile))?;
        Ok((symbols, ran, trace))
    });
    let said = format!("{}\n{}", ran.seen, ran.reply);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(kept_off(symbols == "1")), "{said}");
    assert_eq!(trace, "");
}

/// QEMU emulates no processor that divides its caches, nor does KVM give a guest one, so no such host can be booted here. What
/// is done on a kernel that has it is shown on a laid-out tree, in `src/apply/step/allot.rs`.
#[test]
fn a_share_of_a_cache_is_refused_with_its_reason_where_the_processor_divides_none() {
    let [qemu, _newer] = setup::qemus();
    let tables = "[cpu]\npinning = \"auto:2\"\n[tune]\nl3_cache = \"4M\"\nmemory_bandwidth = 50\n";
    let profile = profile(&qemu, "report=brief", tables);
    let (ran, trace) = host::on(&Layout::NUMA_HT, |host| trace(host, |host| run(host, &profile)));
    assert_refused(
        &ran.reply,
        11,
        &["tune.l3_cache: this host deals out neither caches nor memory bandwidth (resctrl)"],
    );
    assert_eq!(trace, "");
}
