//! A network card that makes virtual functions.

use super::scene::{Ran, Steps, VMRUN, assert_refused, assert_said, fail_each_step, look, profile, run, trace, write};
use crate::host::{self, Layout};
use crate::support::setup::{self, Qemu};

#[test]
fn virtual_functions_come_each_in_a_group_of_its_own_and_go() {
    let (groups, left) = host::on(&Layout::VF, |host| {
        let groups = host.ask(
            "cd /sys/bus/pci/devices/0000:01:00.0
             echo 2 >sriov_numvfs
             for function in virtfn*; do ls $function/iommu_group/devices | wc -l; done
             echo 0 >sriov_numvfs",
        )?;
        Ok((groups, host.run("ls -d /sys/bus/pci/devices/0000:01:00.0/virtfn*")?.text()))
    });
    assert_eq!(groups, "1\n1");
    assert_eq!(left, "");
}

#[test]
fn a_virtual_function_is_the_guests_while_the_card_stays_with_the_host() {
    let [qemu, _newer] = setup::qemus();
    let look = look("readlink /sys/bus/pci/devices/0000:01:00.0/driver | sed s,.*/,,");
    let (ran, trace) = host::on(&Layout::VF, |host| {
        let function =
            host.ask("cd /sys/bus/pci/devices/0000:01:00.0; echo 1 >sriov_numvfs; basename $(readlink virtfn0)")?;
        let profile = profile(&qemu, "", &format!("[[pci]]\nhost = \"{function}\"\naddr = \"09.0\"\n{look}"));
        let found = trace(host, |host| run(host, &profile))?;
        host.ask("echo 0 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs")?;
        Ok(found)
    });
    assert_said(&ran.reply, &["to vfio-pci", "pci address=01:00.0 id=8086:10ca"]);
    assert_eq!(ran.seen, "igb");
    assert_eq!(trace, "", "{}", ran.reply);
}

/// The second of three virtual functions, which vmrun makes.
const SECOND: &str = "[[pci]]\nphysfn = \"01:00\"\nvirtfn = 1\nsriov_numvfs = 3\naddr = \"09\"\n";

#[test]
fn vmrun_makes_virtual_functions_for_the_guest_and_they_are_gone_after_it() {
    let look = look(
        "cd /sys/bus/pci/devices
         ls -d 0000:01:00.0/virtfn* | wc -l
         for bdf in 0000:01:00.0 $(basename $(readlink 0000:01:00.0/virtfn1)); do basename $(readlink $bdf/driver); done",
    );
    let [_older, qemu] = setup::qemus();
    let profile = profile(&qemu, "", &format!("{SECOND}{look}"));
    let (ran, trace) = host::on(&Layout::VF, |host| trace(host, |host| run(host, &profile)));
    assert_said(
        &ran.reply,
        &[
            "0000:01:00.0/sriov_numvfs 3",
            "to vfio-pci",
            "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
            "pci address=01:00.0 id=8086:10ca",
        ],
    );
    assert_eq!(ran.seen, "3\nigb\nvfio-pci");
    assert_eq!(trace, "", "{}", ran.reply);
}

#[test]
#[ignore = "takes long; `cargo test --test testhost -- --ignored` runs all that do"]
fn virtual_functions_are_gone_whatever_step_fails() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", SECOND);
    let steps = host::on(&Layout::VF, |host| fail_each_step(host, &profile, Steps::Some));
    assert!(steps >= 4, "{steps}");
}

#[test]
fn two_guests_have_a_virtual_function_each_and_the_last_takes_them_away() {
    let [qemu, _newer] = setup::qemus();
    let of = |name: &str, number: u8| {
        let keys = format!("[[pci]]\nphysfn = \"01:00\"\nvirtfn = {number}\nsriov_numvfs = 2\n");
        profile(&qemu, "then=wait report=brief", &keys).replace("\"windows\"", &format!("\"{name}\""))
    };
    let ((levels, late), trace) = host::on(&Layout::VF, |host| {
        trace(host, |host| {
            host.ask(&format!("{}mv profile.toml one.toml", write(&of("one", 0))))?;
            host.ask(&format!("{}mv profile.toml two.toml", write(&of("two", 1))))?;
            let late =
                format!("{}mv profile.toml late.toml", write(&of("late", 2).replace("numvfs = 2", "numvfs = 3")));
            host.ask(&late)?;
            let levels = host.ask(&format!(
                "cd /run/profile
                 runs() {{ until grep -q 'guest running' $1.log; do sleep 0.2; kill -0 $2 || {{ cat $1.log; exit 1; }}; done; }}
                 level() {{ cat /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs; }}
                 {VMRUN} run one.toml >one.log 2>&1 & one=$!
                 runs one $one; level
                 {VMRUN} run two.toml >two.log 2>&1 & two=$!
                 runs two $two
                 {VMRUN} run late.toml >late.log 2>&1; echo $? >>late.log
                 {VMRUN} stop --force one >/dev/null 2>&1; wait $one; level
                 {VMRUN} stop --force two >/dev/null 2>&1; wait $two; level"
            ))?;
            Ok((levels, host.ask("cat /run/profile/late.log; rm -r /run/profile")?))
        })
    });
    assert_eq!(levels, "2\n2\n0");
    assert!(late.contains("0000:01:00.0 has made 2 virtual functions, and none of number 2"), "{late}");
    assert!(late.ends_with("\n11"), "{late}");
    assert_eq!(trace, "");
}

#[test]
fn a_card_with_virtual_functions_is_not_passed_itself() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "", "[[pci]]\ndevice = \"01:00\"\n");
    let ran = host::on(&Layout::VF, |host| {
        host.ask("echo 1 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs")?;
        let ran = run(host, &profile)?;
        host.ask("echo 0 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs")?;
        Ok(ran)
    });
    assert_refused(&ran.reply, 11, &["0000:01:00.0 has virtual functions: 1"]);
}

/// The whole card, reset with its bus, and a hook that cuts it off from power when the guest is gone: what has no power
/// reads as ones. The indicator stays on, so that nobody takes the card for unplugged.
fn dying(qemu: &Qemu, port: &str, tables: &str) -> String {
    let card = "[[pci]]\ndevice = \"01:00\"\nreset = [\"bus\"]\n";
    let die =
        format!("[[hook]]\nat = \"stopped\"\nrun = [\"setpci\", \"-s\", \"{port}\", \"{SLOT_CONTROL}=0500:0700\"]\n");
    profile(qemu, "report=brief", &format!("{card}{die}{tables}"))
}

/// The register of a port with the power controller's bit, 0x400, and the indicator's; PCI Express Base Specification,
/// 7.5.3.10.
const SLOT_CONTROL: &str = "CAP_EXP+0x18.w";

/// A script that prints the address of the port that the card is behind.
const PORT: &str = "basename $(dirname $(readlink -f /sys/bus/pci/devices/0000:01:00.0))";

#[test]
fn a_dead_card_is_removed_and_found_again_and_sleeps_and_resets_as_before() {
    let [qemu, _newer] = setup::qemus();
    let look = look("cd /sys/bus/pci/devices/0000:01:00.0; cat reset_method d3cold_allowed power/control");
    let (ran, trace) = host::on(&Layout::VF, |host| {
        let port = host.ask(PORT)?;
        host.ask("echo auto >/sys/bus/pci/devices/0000:01:00.0/power/control")?;
        let found = trace(host, |host| {
            // A card that comes to life when it is removed: that alone is made up here.
            host.ask(&format!(
                "mkdir /run/shim; cat >/run/shim/tee <<'TEE'
#!/bin/sh
/usr/bin/tee \"$@\" || exit
case $2 in */0000:01:00.0/remove) setpci -s {port} {SLOT_CONTROL}=0100:0700 ;; esac
TEE
chmod +x /run/shim/tee"
            ))?;
            let begin = write(&dying(&qemu, &port, &look));
            let reply = host.run(&format!("{begin}rm -f /run/seen; PATH=/run/shim:$PATH {VMRUN} run profile.toml"))?;
            host.ask("rm -r /run/shim")?;
            Ok(Ran { reply, seen: host.run("cat /run/seen")?.text() })
        })?;
        host.ask("echo on >/sys/bus/pci/devices/0000:01:00.0/power/control")?;
        Ok(found)
    });
    assert_said(&ran.reply, &["0000:01:00.0/reset_method bus", "0000:01:00.0 to vfio-pci", "vmrun-guest: done"]);
    assert_eq!(ran.seen, "bus\n0\non");
    // The card's own wakeup is gone after a power cut, as below.
    let left: Vec<_> = trace
        .lines()
        .filter(|line| line.starts_with(['<', '>']) && !line.contains("/0000:01:00.0//power/wakeup"))
        .collect();
    assert_eq!(left, [""; 0], "{}", ran.reply);
}

#[test]
fn a_card_that_stays_dead_is_told_and_recovered_when_it_lives_again() {
    let [qemu, _newer] = setup::qemus();
    let ((ran, late), trace) = host::on(&Layout::VF, |host| {
        trace(host, |host| {
            let port = host.ask(PORT)?;
            let ran = run(host, &dying(&qemu, &port, ""))?;
            host.ask(&format!("setpci -s {port} {SLOT_CONTROL}=0100:0700; echo 1 >/sys/bus/pci/rescan"))?;
            Ok((ran, host.run(&format!("{VMRUN} recover windows"))?))
        })
    });
    assert_refused(
        &ran.reply,
        41,
        &["0000:01:00.0 does not answer any more", "a reset", "removal and rescan: it is not found again"],
    );
    assert_eq!(late.status, 0, "{late}");
    // Whether it may wake the machine is asked of a card that is found, and one that had no power does not know any more.
    let left =
        trace.lines().filter(|line| line.starts_with(['<', '>']) && !line.contains("/0000:01:00.0//power/wakeup"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{}\n{late}", ran.reply);
}
