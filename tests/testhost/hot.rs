//! A card that comes to a guest while it runs, and leaves it.

use super::scene::{VMRUN, assert_said, newer_or_both, profile, run, trace};
use super::script::drivers;
use crate::host::{self, Layout};
use crate::support::setup;

/// A hook that runs `script` beside the guest, with `vmrun` as a command and all that is said for `Ran::seen`.
fn beside(script: &str) -> String {
    format!(
        "[[hook]]\nat = \"running\"\ntimeout = \"2m\"\nrun = [\"sh\", \"-c\", '''vmrun() {{ {VMRUN} \"$@\"; echo \"exit $?\"; }}
         exec >>/run/seen 2>&1
         {script}''']\n"
    )
}

/// Prints what drives the card and its sound.
fn held() -> String {
    drivers("0000:01:00.[01]")
}

#[test]
fn a_card_comes_to_a_guest_that_runs_and_leaves_it_when_that_agrees() {
    for qemu in newer_or_both() {
        let script = format!(
            "vmrun pci attach windows 01:00
             {held}
             vmrun pci attach windows 01:00
             vmrun status windows --json | grep -o 'pci 0000[^\"]*'
             vmrun pci detach windows 01:00.1
             {held}
             vmrun pci detach windows 01:00
             vmrun qmp windows system_powerdown",
            held = held()
        );
        let profile = profile(&qemu, "report=brief then=wait", &beside(&script));
        let (ran, trace) = host::on(&Layout::GPU, |host| trace(host, |host| run(host, &profile)));
        let seen = ran.seen.as_str();
        assert_said(&ran.reply, &["hotplug came", "id=1234:1111", "id=8086:293e", "hotplug seen", "hotplug lets go"]);
        let parts = [
            "it has 0000:01:00.0 and 0000:01:00.1, behind rp",
            "exit 0",
            "vfio-pci\nvfio-pci",
            "is in use by qemu",
            "exit 14",
            "pci 0000:01:00.0\npci 0000:01:00.1",
            "back with the host: 0000:01:00.0 and 0000:01:00.1",
            "exit 0",
            "bochs-drm\nsnd_hda_intel",
            "it does not have 0000:01:00.0",
            "exit 7",
        ];
        parts.iter().fold(seen, |rest, part| {
            rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is missing\n{seen}\n{}", ran.reply)).1
        });
        assert_eq!(trace, "", "{}: {}", qemu.version, ran.reply);
    }
}

#[test]
fn a_guest_that_does_not_agree_keeps_its_card_until_its_end() {
    let [qemu, _newer] = setup::qemus();
    let script = format!(
        "vmrun pci attach windows 01:00
         vmrun pci detach windows 01:00 --timeout 1ms
         {}
         vmrun qmp windows quit",
        held()
    );
    let profile = profile(&qemu, "report=brief then=ignore", &beside(&script));
    let (ran, trace) = host::on(&Layout::GPU, |host| trace(host, |host| run(host, &profile)));
    let seen = &ran.seen;
    assert!(seen.contains("has not let go of 0000:01:00 within 1ms"), "{seen}\n{}", ran.reply);
    assert!(seen.contains("exit 7\nvfio-pci\nvfio-pci"), "{seen}");
    assert_eq!(trace, "", "{seen}\n{}", ran.reply);
}
