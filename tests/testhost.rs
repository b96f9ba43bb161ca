//! What the emulated test host promises the tests that run in it: a Linux kernel with all that passing a card needs.

mod host;
mod support;

use host::Layout;
use support::setup::{self, Qemu};

/// The program that reports what it sees of its machine, as the build script left it; the host sees it at this path too.
const GUEST: &str = concat!(env!("OUT_DIR"), "/guest.elf");

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
fn the_card_and_its_audio_share_a_group_and_sit_on_their_drivers() {
    let (group, drivers) = host::on(&Layout::GPU, |host| {
        let group = host.ask("ls /sys/bus/pci/devices/0000:01:00.0/iommu_group/devices")?;
        let drivers = host.ask("cd /sys/bus/pci/devices && readlink 0000:01:00.[01]/driver | sed 's,.*/,,'")?;
        Ok((group, drivers))
    });
    assert_eq!(group, "0000:01:00.0\n0000:01:00.1");
    assert_eq!(drivers, "bochs-drm\nsnd_hda_intel");
}

#[test]
fn the_card_goes_to_vfio_and_back_to_its_drivers() {
    let (bound, nodes, back) = host::on(&Layout::GPU, |host| {
        let bound = host.ask(&rebind("vfio-pci"))?;
        let nodes = host.ask("basename $(readlink /sys/bus/pci/devices/0000:01:00.0/iommu_group); ls /dev/vfio")?;
        let back = host.ask(&rebind(""))?;
        Ok((bound, nodes, back))
    });
    let group = nodes.lines().next().expect("a group has a number");
    assert_eq!(bound, "vfio-pci\nvfio-pci");
    assert_eq!(nodes, format!("{group}\n{group}\nvfio"));
    assert_eq!(back, "bochs-drm\nsnd_hda_intel");
}

#[test]
fn the_option_rom_of_the_card_is_read_whole_and_hidden_again() {
    let vmrun = env!("CARGO_BIN_EXE_vmrun");
    let (dumped, hidden, verdict) = host::on(&Layout::GPU, |host| {
        let dumped = host.run(&format!("cd $(mktemp -d) && {vmrun} rom dump 01:00.0 -o card.rom && cat card.rom"))?;
        // Reading fails while the kernel does not show it.
        let hidden = host.run("cat /sys/bus/pci/devices/0000:01:00.0/rom")?;
        Ok((dumped, hidden, host.run(&format!("{vmrun} rom inspect 01:00.0"))?))
    });
    let rom = std::fs::read("/usr/lib/ipxe/qemu/efi-e1000.rom").expect("the ROM that QEMU gave the card");
    assert_eq!(dumped.status, 0, "{}", String::from_utf8_lossy(&dumped.stderr));
    assert!(rom.starts_with(&dumped.stdout) && dumped.stdout.len() > rom.len() / 2, "{} bytes", dumped.stdout.len());
    assert_ne!(hidden.status, 0);
    let verdict = (verdict.status, String::from_utf8_lossy(&verdict.stdout).into_owned());
    assert!(verdict.1.ends_with(WRONG_CARD) && verdict.0 == 11, "{verdict:?}");
}

#[test]
fn what_isolate_writes_binds_the_card_by_address_when_vfio_pci_is_loaded() {
    let vmrun = env!("CARGO_BIN_EXE_vmrun");
    let reload = "for bdf in 0000:01:00.0 0000:01:00.1; do
             echo >/sys/bus/pci/devices/$bdf/driver_override
             echo $bdf >/sys/bus/pci/devices/$bdf/driver/unbind
         done
         modprobe -r vfio-pci && modprobe vfio-pci
         for bdf in 0000:01:00.0 0000:01:00.1; do basename $(readlink /sys/bus/pci/devices/$bdf/driver || echo none); done";
    let (bound, guarded, back, left) = host::on(&Layout::GPU, |host| {
        host.ask(&format!("{vmrun} isolate 01:00 --by-address --headless --apply 2>&1"))?;
        let bound = host.ask(reload)?;
        // As if another card had come to its place.
        let script = "/usr/local/sbin/vmrun-vfio-override";
        let guarded = host.ask(&format!(
            "sed -i.orig s/0x1234:0x1111/0x1234:0x2222/ {script}\n{reload}\nmv {script}.orig {script}"
        ))?;
        let left = host.ask(&format!(
            "{vmrun} isolate --remove 2>&1; ls /etc/modprobe.d/vmrun* {script} 2>&1 | grep -c 'No such'"
        ))?;
        let back = host.ask(
            "modprobe -r vfio-pci
             for bdf in 0000:01:00.0 0000:01:00.1; do
                 echo >/sys/bus/pci/devices/$bdf/driver_override
                 echo $bdf >/sys/bus/pci/drivers_probe
                 basename $(readlink /sys/bus/pci/devices/$bdf/driver)
             done
             modprobe vfio-pci",
        )?;
        Ok((bound, guarded, back, left))
    });
    assert_eq!(bound, "vfio-pci\nvfio-pci");
    assert_eq!(guarded, "none\nvfio-pci");
    assert_eq!(back, "bochs-drm\nsnd_hda_intel");
    assert!(left.starts_with("all is as it was before") && left.ends_with("\n2"), "{left}");
}

/// What is said of a ROM that is not the card's own.
const WRONG_CARD: &str = "card: 0000:01:00.0 1234:1111\n\
    it is for 8086:100e, and the card is 1234:1111\n\
    fix: use a ROM that was read from this card, or from one of the same make and model\n";

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
fn a_guest_on_huge_pages_is_given_both_functions_of_the_card() {
    let [qemu, _newer] = setup::qemus();
    let (report, back) = host::on(&Layout::GPU, |host| {
        host.ask(&rebind("vfio-pci"))?;
        host.ask("echo 32 >/proc/sys/vm/nr_hugepages")?;
        let report = host.ask(&guest(
            &qemu,
            "-cpu host -m 64 -machine memory-backend=pages \
             -object memory-backend-memfd,id=pages,size=64M,hugetlb=on,hugetlbsize=2M,prealloc=on \
             -device vfio-pci,host=0000:01:00.0,addr=5.0,multifunction=on -device vfio-pci,host=0000:01:00.1,addr=5.1",
        ))?;
        host.ask("echo 0 >/proc/sys/vm/nr_hugepages")?;
        Ok((report, host.ask(&rebind(""))?))
    });
    assert!(report.contains("vmrun-guest: pci address=00:05.0 id=1234:1111"), "{report}");
    assert!(report.contains("vmrun-guest: pci address=00:05.1 id=8086:293e"), "{report}");
    assert_eq!(back, "bochs-drm\nsnd_hda_intel");
}

#[test]
fn vmrun_demo_starts_a_guest_under_kvm_that_reads_the_profiles_vendor_id() {
    for qemu in setup::qemus() {
        let report = host::on(&Layout::KVM, |host| host.ask(&demo(&qemu)));
        let says = |line: &str| report.lines().any(|said| said.contains(line));
        assert!(says("hypervisor signature=\"sugoidesu\""), "{}: {report}", qemu.version);
        assert!(says("vcpus present=2 started=2"), "{}: {report}", qemu.version);
    }
}

#[test]
fn qemu_may_lock_the_guests_memory_and_a_user_who_may_not_is_told_the_bytes() {
    let [qemu, _newer] = setup::qemus();
    let binary = qemu.binary.display();
    let (limits, denied) = host::on(&Layout::KVM, |host| {
        let profile = format!(
            "cd $(mktemp -d) && chmod 755 . && cat >profile.toml <<'PROFILE'
schema = 1
name = \"locked\"
[memory]
size = \"64M\"
locked = true
[qemu]
binary = \"{binary}\"
PROFILE
",
        );
        let vmrun = env!("CARGO_BIN_EXE_vmrun");
        let limits = host.ask(&format!(
            "{profile} {vmrun} run profile.toml 2>log & vmrun=$!
             until grep -q 'guest running' log; do sleep 0.2; kill -0 $vmrun || {{ cat log; exit 1; }}; done
             grep 'locked memory' /proc/$(pgrep -f guest=locked)/limits
             {vmrun} stop --force locked >/dev/null 2>&1; wait $vmrun; true"
        ))?;
        let denied = host.run(&format!(
            "{profile} prlimit --memlock=8388608:8388608 setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
             env HOME=/nonexistent {vmrun} check profile.toml"
        ))?;
        Ok((limits, denied))
    });
    assert_eq!(limits.split_whitespace().skip(3).collect::<Vec<_>>(), ["1140850688", "1140850688", "bytes"]);
    assert_eq!(denied.status, 13, "{denied}");
    let said = denied.to_string();
    assert!(said.contains("QEMU must lock 1140850688 bytes of memory, and user 65534 may lock 8388608"), "{said}");
    assert!(said.contains("nobody - memlock 1114112"), "{said}");
}

/// A script that writes a profile and runs the demo guest with it, in a folder that it leaves empty again.
fn demo(qemu: &Qemu) -> String {
    format!(
        "cd $(mktemp -d)
         cat >profile.toml <<'PROFILE'
schema = 1
name = \"vendor\"
[machine]
accel = \"kvm\"
[memory]
size = \"64M\"
[cpu]
cores = 2
hv = [\"relaxed\", \"vapic\", \"time\"]
hv_vendor_id = \"sugoidesu\"
[qemu]
binary = \"{qemu}\"
PROFILE
         {vmrun} demo --report profile.toml",
        qemu = qemu.binary.display(),
        vmrun = env!("CARGO_BIN_EXE_vmrun"),
    )
}

/// A script that runs the demo guest under KVM in `qemu` with `options` and prints what it reports.
fn guest(qemu: &Qemu, options: &str) -> String {
    format!(
        "{} -machine q35 -accel kvm -nodefaults -no-user-config -display none -no-reboot \
         -kernel {GUEST} -serial stdio {options}",
        qemu.binary.display()
    )
}

/// A script that moves both functions of the card to the driver named by `override_`, or to their own for an empty one,
/// and prints where they ended.
fn rebind(override_: &str) -> String {
    format!(
        "cd /sys/bus/pci/devices
         for bdf in 0000:01:00.0 0000:01:00.1; do
             echo {override_} >$bdf/driver_override
             echo $bdf >$bdf/driver/unbind
             echo $bdf >../drivers_probe
             basename $(readlink $bdf/driver)
         done"
    )
}
