//! A card and its audio, as on a desktop with a second card.

use super::scene::{
    Steps, USER_ID, VMRUN, all_steps, as_user, assert_refused, assert_said, fail_each_step, kill_at_each_step, look,
    newer_or_both, profile, run, run_often, trace, with_kvm_group, write,
};
use super::script::{guest, rebind};
use crate::host::{self, Layout};
use crate::support::setup::{self, Qemu};

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
fn vmrun_takes_a_card_gives_it_to_a_guest_and_leaves_the_host_as_it_was() {
    let (before, runs) = host::on(&Layout::GPU, |host| {
        let before = host.ask(PICTURE)?;
        let mut runs = Vec::new();
        for qemu in setup::qemus() {
            let report = host.run(&passed(&qemu))?;
            runs.push((report, host.ask(PICTURE)?));
        }
        Ok((before, runs))
    });
    assert!(before.contains("0000:01:00.0 bochs-drm (null)"), "{before}");
    for (report, after) in runs {
        let said = String::from_utf8_lossy(&report.stdout);
        let told = String::from_utf8_lossy(&report.stderr);
        assert_eq!(report.status, 0, "{told}\n{said}");
        assert!(said.contains("id=1234:1111"), "{told}\n{said}");
        assert!(said.contains("id=8086:293e"), "{told}\n{said}");
        assert_eq!(after, before, "{told}\n{said}");
    }
}

/// A script that prints everything of the card and its sound that vmrun may touch.
const PICTURE: &str = "cd /sys/bus/pci/devices
    for bdf in 0000:01:00.0 0000:01:00.1; do
        echo $bdf $(basename $(readlink $bdf/driver)) $(cat $bdf/driver_override $bdf/power/control \
            $bdf/d3cold_allowed $bdf/reset_method $bdf/enable 2>&1)
    done
    cat /sys/class/vtconsole/*/bind /sys/class/graphics/fb*/name /proc/sys/vm/nr_hugepages
    ls /dev/vfio";

/// A script that runs the demo guest with both functions of the card, on huge pages.
fn passed(qemu: &Qemu) -> String {
    format!(
        "cd $(mktemp -d)
         cat >profile.toml <<'PROFILE'
schema = 1
name = \"card\"
[machine]
accel = \"kvm\"
[memory]
size = \"64M\"
hugepages = true
[gpu]
mode = \"single\"
[[pci]]
device = \"01:00\"
[qemu]
binary = \"{qemu}\"
PROFILE
         {VMRUN} demo --report profile.toml",
        qemu = qemu.binary.display(),
    )
}

/// Both functions of the card, where `profiles/windows.toml` has them.
const CARD: &str = "
[[pci]]
host = \"0000:01:00.0\"
addr = \"09.0\"
multifunction = true
[[pci]]
host = \"0000:01:00.1\"
addr = \"09.1\"
";

/// What `profiles/windows.toml` asks for, as large as the emulated host is.
fn windows(qemu: &Qemu, append: &str) -> String {
    let tables = "hugepages = true
prealloc = true
[cpu]
cores = 1
threads = 2
hide_kvm = true
hv = [\"relaxed\", \"vapic\", \"time\"]
hv_spinlocks = 0x1fff
hv_vendor_id = \"sugoidesu\"
[cpu.pinning]
vcpus = [2, 3]
emulator = \"0-1\"
";
    profile(qemu, append, &format!("{tables}{CARD}"))
}

#[test]
fn a_windows_profile_gives_the_guest_the_card_and_leaves_the_host_as_it_was() {
    for qemu in setup::qemus() {
        // A mode register of the card, and the bit of its audio that takes the controller out of reset.
        let profile = windows(&qemu, "poke=01:00.0/2/502/0280 poke=01:00.1/0/8/00000001");
        let (ran, trace) = host::on(&Layout::GPU, |host| trace(host, |host| run(host, &profile)));
        assert_said(
            &ran.reply,
            &[
                "hypervisor signature=\"sugoidesu\"",
                "vcpus present=2 started=2",
                "topology packages=1 cores=1 threads=2",
                "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
                "pci address=01:00.0 id=1234:1111",
                "pci address=01:00.1 id=8086:293e",
                "poke address=01:00.0 bar=2 offset=0x502",
                "wrote=0280 after=0280",
                "poke address=01:00.1 bar=0 offset=0x8",
                "wrote=00000001 after=00000001",
            ],
        );
        assert_eq!(trace, "", "{}: {}", qemu.version, ran.reply);
    }
}

/// Prints what the guest's QEMU is and may, and who owns the nodes of VFIO; `proc_pid_status(5)`.
const RIGHTS: &str = "grep -E \"^(Uid|Gid|Groups|NoNewPrivs|Seccomp|CapPrm|CapEff):\" /proc/$VMRUN_PID/status
    stat -c \"%n %u %a\" /dev/vfio/*";

#[test]
fn an_ordinary_user_has_the_card_without_a_right_of_roots_and_its_node_goes_back() {
    for qemu in newer_or_both() {
        let tables = format!("hugepages = true\n{CARD}{}", look(RIGHTS));
        let profile = as_user(&profile(&qemu, "", &tables));
        let (ran, trace) =
            host::on(&Layout::GPU, |host| with_kvm_group(host, |host| trace(host, |host| run(host, &profile))));
        assert_said(&ran.reply, &["pci address=01:00.0 id=1234:1111", "pci address=01:00.1 id=8086:293e"]);
        let seen = ran.seen.split_whitespace().collect::<Vec<_>>().join(" ");
        for ids in ["Uid:", "Gid:"] {
            assert!(seen.contains(&format!("{ids} {}", [USER_ID; 4].join(" "))), "{}", ran.seen);
        }
        // The group of /dev/kvm is the only one that it needs.
        assert!(seen.contains(&format!("Groups: 36 {USER_ID} ")), "{}", ran.seen);
        assert!(seen.contains("CapPrm: 0000000000000000 CapEff: 0000000000000000"), "{}", ran.seen);
        assert!(seen.contains("NoNewPrivs: 1 Seccomp: 2"), "{}", ran.seen);
        let group = ran.seen.lines().find(|line| line.starts_with("/dev/vfio/") && !line.contains("/vfio/vfio"));
        assert!(group.is_some_and(|line| line.ends_with(&format!(" {USER_ID} 600"))), "{}", ran.seen);
        assert_eq!(trace, "", "{}: {}", qemu.version, ran.reply);
    }
}

/// A script that does with the nodes of VFIO and of `misc` devices what the rules of udev on its input say; udev(7). The
/// host has no udev.
const APPLY: &str = r#"value() { echo "$rule" | sed -n "s/.*$1=*\"\([^\"]*\)\".*/\1/p"; }
    while read -r rule; do
        kernel=$(value 'KERNEL')
        case $rule in
            '#'*) continue ;;
            *'"vfio"'*) node=/dev/vfio/$kernel ;;
            *) node=/dev/$kernel ;;
        esac
        [ -e $node ] || { echo "$node: $rule"; exit 1; }
        [ -z "$(value OWNER)" ] || chown $(value OWNER) $node
        [ -z "$(value GROUP)" ] || chgrp 36 $node
        [ -z "$(value MODE)" ] || chmod $(value MODE) $node
    done"#;

#[test]
#[ignore = "takes long; `cargo test --test testhost -- --ignored` runs all that do"]
fn with_what_vmrun_asks_for_an_ordinary_user_starts_the_guest_with_the_card_and_without_it_is_told() {
    let [_, qemu] = setup::qemus();
    let profile = as_user(&profile(&qemu, "report=brief", CARD)).replace("user = \"nobody\"\n", "");
    let start = format!(
        "ulimit -l $limit; mkdir -p -m 777 /run/nobody; cd /run/profile
         HOME=/run/nobody VMRUN_RUNTIME_DIR=/run/nobody/run VMRUN_STATE_DIR=/run/nobody/state \
         setpriv --reuid {USER_ID} --regid {USER_ID} --groups $groups {VMRUN} run profile.toml"
    );
    let (refused, asked, ran, back) = host::on(&Layout::GPU, |host| {
        with_kvm_group(host, |host| {
            host.ask(&rebind("vfio-pci"))?;
            host.ask("chown 0:0 /dev/kvm; chmod 600 /dev/kvm")?;
            let refused = host.run(&format!("{}limit=64 groups={USER_ID}; {start}", write(&profile)))?;
            let asked = host.ask(&format!("cd /run/profile; {VMRUN} host permissions profile.toml --user nobody"))?;
            let rules = "sed -n '/rules.d/,/^$/p' asked | grep =";
            let limit = "limit=$(sed -n 's/^nobody - memlock //p' asked)";
            let apply =
                format!("cd /run/profile; cat >asked <<'ASKED'\n{asked}\nASKED\n{rules} | (\n{APPLY}\n) || exit 1");
            let ran = host.run(&format!("{apply}; {limit} groups={USER_ID},36; {start}"))?;
            host.ask("rm -r /run/nobody; chown 0:0 /dev/vfio/*")?;
            Ok((refused, asked, ran, host.ask(&rebind(""))?))
        })
    });
    assert_refused(&refused, 13, &["may not open /dev/vfio/"]);
    assert!(asked.contains("usermod -aG kvm nobody"), "{asked}");
    assert_said(&ran, &["vmrun-guest: done"]);
    assert_eq!(back, "bochs-drm\nsnd_hda_intel");
}

#[test]
fn starts_in_a_row_end_well_and_leave_nothing() {
    // Twenty where all is asked for.
    let times = if all_steps() { 20 } else { 3 };
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", &format!("hugepages = true\n{CARD}"));
    let (starts, trace) = host::on(&Layout::GPU, |host| trace(host, |host| run_often(host, &profile, times)));
    assert_eq!(starts, (times, String::new()));
    assert_eq!(trace, "");
}

#[test]
fn whatever_step_fails_the_host_is_put_back() {
    let [qemu, _newer] = setup::qemus();
    let profile = windows(&qemu, "report=brief");
    let steps = host::on(&Layout::GPU, |host| fail_each_step(host, &profile, Steps::All));
    assert!(steps >= 5, "{steps}");
}

#[test]
fn wherever_vmrun_is_killed_recover_puts_the_host_back() {
    let [qemu, _newer] = setup::qemus();
    let profile = windows(&qemu, "report=brief");
    let steps = host::on(&Layout::GPU, |host| kill_at_each_step(host, &profile, Steps::Some));
    assert!(steps >= 5, "{steps}");
}

#[test]
fn a_card_that_a_dead_run_of_another_guest_owes_is_given_back_first() {
    let [qemu, _newer] = setup::qemus();
    let card = "[[pci]]\ndevice = \"01:00\"\naddr = \"09\"\n";
    let dead = profile(&qemu, "report=brief", card).replace("\"windows\"", "\"dead\"");
    let next = profile(&qemu, "", card);
    let (ran, trace) = host::on(&Layout::GPU, |host| {
        trace(host, |host| {
            let left = host.run(&format!("{}VMRUN_FAULT=kill:8 {VMRUN} run profile.toml", write(&dead)))?;
            assert_eq!(left.status, 137, "{left}");
            run(host, &next)
        })
    });
    assert_said(&ran.reply, &["dead", "0000:01:00.0 to vfio-pci", "id=1234:1111"]);
    assert_eq!(trace, "", "{}", ran.reply);
}
