//! A card whose drivers, programs or hooks make trouble.

use super::scene::{VMRUN, assert_refused, profile, run, trace};
use crate::host::{self, Layout};
use crate::support::setup;

/// The card and its sound, and a hook that takes hold of the sound after the plan was made: its driver then waits, in a
/// sleep that no signal ends, until whoever has it open lets go.
const HELD: &str = "
[[pci]]
device = \"01:00\"
[[hook]]
at = \"pre\"
run = [\"sh\", \"-c\", '''
    setsid sh -c 'exec 9</dev/snd/controlC0; touch /run/held; while [ -e /run/held ]; do sleep 0.1; done' </dev/null >/dev/null 2>&1 &
    until [ -e /run/held ]; do sleep 0.1; done''']
";

#[test]
fn a_driver_that_does_not_let_go_is_left_alone_and_recover_finishes_when_it_has() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", HELD);
    let ((hung, looks, early, late), trace) = host::on(&Layout::GPU, |host| {
        trace(host, |host| {
            let hung = run(host, &profile)?;
            // Whoever reads the wrong file of the function hangs as well, and is not ended by any signal.
            let looks = host.ask(&format!(
                "cd /run/profile
                 for what in 'host groups' check 'check profile.toml' 'run profile.toml'; do
                     timeout -k 5 120 {VMRUN} $what >said 2>&1; echo \"$what: $?\"; cat said
                 done; true"
            ))?;
            let early = host.run(&format!("{VMRUN} recover windows"))?;
            // The driver lets go a moment after the last who had it open.
            host.ask(
                "rm /run/held
                 while [ -e /sys/bus/pci/devices/0000:01:00.1/driver ]; do sleep 0.1; done",
            )?;
            Ok((hung, looks, early, host.run(&format!("{VMRUN} recover windows"))?))
        })
    });
    assert_refused(
        &hung.reply,
        41,
        &[
            "snd_hda_intel does not let go of 0000:01:00.1: not done after 15s, in the kernel at ",
            "hangs there and is left behind",
            "still hangs in the kernel, writing to /sys/bus/pci/drivers/snd_hda_intel/unbind",
        ],
    );
    assert!(!hung.reply.to_string().contains("guest running"), "{}", hung.reply);
    assert!(looks.contains("host groups: 0\n") && looks.contains("hangs in the kernel"), "{looks}");
    assert!(!looks.contains(": 124") && !looks.contains(": 137"), "{looks}");
    assert_refused(&early, 41, &["still hangs in the kernel"]);
    assert_eq!(late.status, 0, "{late}");
    assert_eq!(trace, "", "{}\n{late}", hung.reply);
}

#[test]
fn a_failure_after_the_last_change_takes_all_of_them_back() {
    let [qemu, _newer] = setup::qemus();
    let tables = "hugepages = true
[cpu.pinning]
vcpus = [2]
[[pci]]
device = \"01:00\"
[[hook]]
at = \"prepared\"
run = [\"sh\", \"-c\", \"readlink /sys/bus/pci/devices/0000:01:00.0/driver; cat /proc/sys/vm/nr_hugepages; exit 3\"]
";
    let profile = profile(&qemu, "report=brief", tables);
    let (ran, trace) = host::on(&Layout::GPU, |host| trace(host, |host| run(host, &profile)));
    assert_refused(&ran.reply, 20, &["vfio-pci", "32", "exit 3"]);
    assert_eq!(trace, "", "{}", ran.reply);
}
