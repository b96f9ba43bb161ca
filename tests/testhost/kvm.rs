//! What every layout has: commands, sibling threads, the clock, huge pages, KVM.

use super::scene::{VMRUN, newer_or_both, profile, trace, write};
use super::script::{demo, guest};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
fn a_script_hands_back_its_status_its_output_and_its_errors() {
    let reply = host::on(&Layout::KVM, |host| host.run("printf 'a\\0b\\377'; echo broken >&2; exit 3"));
    assert_eq!(reply.status, 3);
    assert_eq!(reply.stdout, b"a\0b\xff");
    assert_eq!(reply.stderr, b"broken\n");
}

#[test]
fn sibling_threads_are_numbered_next_to_each_other() {
    let siblings = host::on(&Layout::KVM, |host| {
        host.ask("cd /sys/devices/system/cpu && cat cpu[0-9]*/topology/thread_siblings_list")
    });
    assert_eq!(siblings, "0-1\n0-1\n2-3\n2-3");
}

#[test]
fn the_clock_is_the_tsc_as_on_a_desktop() {
    let clock =
        host::on(&Layout::KVM, |host| host.ask("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"));
    assert_eq!(clock, "tsc");
}

#[test]
fn huge_pages_can_be_taken_and_given_back() {
    let pool = host::on(&Layout::KVM, |host| {
        host.ask(
            "cd /sys/kernel/mm/hugepages/hugepages-2048kB
             for pages in 64 0; do echo $pages >nr_hugepages; cat nr_hugepages free_hugepages; done",
        )
    });
    assert_eq!(pool, "64\n64\n0\n0");
}

#[test]
fn each_vcpu_thread_can_be_pinned_to_a_sibling_thread_of_its_own() {
    let allowed = host::on(&Layout::KVM, |host| {
        host.ask(
            "qemu-system-x86_64 -S -name pinned,debug-threads=on -accel kvm -smp 2 -nodefaults -display none \
                 -daemonize -pidfile /run/pinned
             qemu=$(cat /run/pinned)
             for vcpu in 0 1; do
                 thread=$(grep -lx \"CPU $vcpu/KVM\" /proc/$qemu/task/*/comm)
                 thread=${thread%/comm}
                 taskset -pc $((vcpu + 2)) ${thread##*/} >/dev/null
                 sed -n 's/^Cpus_allowed_list:\\t//p' $thread/status
             done
             kill $qemu",
        )
    });
    assert_eq!(allowed, "2\n3");
}

#[test]
fn a_guest_under_kvm_reads_the_hyper_v_vendor_id_it_was_given() {
    for qemu in setup::qemus() {
        let report = host::on(&Layout::KVM, |host| {
            host.ask(&guest(
                &qemu,
                "-cpu host,kvm=off,topoext=on,hv-relaxed=on,hv-vapic=on,hv-time=on,hv-spinlocks=0x1fff,hv-vendor-id=sugoidesu \
                 -smp 2,cores=1,threads=2 -m 64",
            ))
        });
        assert!(report.contains("vmrun-guest: hypervisor signature=\"sugoidesu\""), "{}: {report}", qemu.version);
        assert!(report.contains("vmrun-guest: topology packages=1 cores=1 threads=2"), "{}: {report}", qemu.version);
    }
}

#[test]
fn vmrun_demo_starts_a_guest_under_kvm_that_reads_the_profiles_vendor_id() {
    for qemu in newer_or_both() {
        let report = host::on(&Layout::KVM, |host| host.ask(&demo(&qemu)));
        let says = |line: &str| report.lines().any(|said| said.contains(line));
        assert!(says("hypervisor signature=\"sugoidesu\""), "{}: {report}", qemu.version);
        assert!(says("vcpus present=2 started=2"), "{}: {report}", qemu.version);
    }
}

#[test]
fn row_012_a_vmrun_of_root_is_ended_after_all_else_and_nothing_that_it_starts_has_that_from_it() {
    let [qemu, _newer] = setup::qemus();
    let shell = |name: &str, more: &str| {
        format!(
            "name = \"{name}\"\nrun = [\"sh\", \"-c\", \"echo {name} $(cat /proc/self/oom_score_adj) >>/run/scores{more}\"]\n"
        )
    };
    let tables = format!(
        "[[hook]]\nat = \"started\"\n{}[[service]]\n{}",
        shell("hook", ""),
        shell("companion", "; exec sleep 1000")
    );
    let profile = profile(&qemu, "then=wait", &tables);
    let (scores, trace) = host::on(&Layout::KVM, |host| {
        trace(host, |host| {
            host.ask(&format!(
                "{}
                 scores() {{ for pid in $1 $(cat /run/qemu); do cat /proc/$pid/oom_score_adj; done; }}
                 runs() {{ until grep -q \"$2\" $1; do sleep 0.2; done; }}
                 qemu() {{ {VMRUN} status windows --json | sed -n 's/.*\"qemu\": *\\([0-9]*\\).*/\\1/p' >/run/qemu; }}
                 (echo 300 >/proc/self/oom_score_adj; exec {VMRUN} run profile.toml >first.log 2>&1) & first=$!
                 runs first.log 'guest running'; qemu; scores $first
                 kill -9 $first; wait $first
                 {VMRUN} attach windows >second.log 2>&1 & second=$!
                 runs second.log 'taken over'; scores $second
                 {VMRUN} stop --force windows >/dev/null 2>&1; wait $second
                 sort /run/scores; cd /; rm -r /run/profile /run/scores /run/qemu",
                write(&profile)
            ))
        })
    });
    assert_eq!(scores, "-900\n0\n-900\n0\ncompanion 300\nhook 300");
    assert_eq!(trace, "");
}
