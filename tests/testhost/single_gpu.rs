//! The only card, with the kernel's console on it.

use super::scene::{
    Steps, assert_refused, assert_said, fail_each_step, kill_at_each_step, look, newer_or_both, profile, run, trace,
};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
fn the_only_card_was_started_by_the_firmware_and_carries_the_console() {
    let (boot, framebuffer, console) = host::on(&Layout::SINGLE_GPU, |host| {
        let boot = host.ask("cat /sys/bus/pci/devices/0000:01:00.0/boot_vga; cat /sys/bus/pci/devices/*/boot_vga")?;
        let framebuffer = host.ask("cat /sys/class/graphics/fb0/name; readlink -f /sys/class/graphics/fb0/device")?;
        Ok((
            boot,
            framebuffer,
            host.ask("grep -l 'frame buffer' /sys/class/vtconsole/*/name | xargs dirname | xargs -I{} cat {}/bind")?,
        ))
    });
    assert_eq!(boot, "1\n1");
    let (name, device) = framebuffer.split_once('\n').expect("two lines");
    assert_eq!(name, "bochs-drmdrmfb");
    assert!(device.ends_with("/0000:01:00.0"), "{device}");
    assert_eq!(console, "1");
}

/// The card and its audio for the guest, without a desktop that would have to end first.
const ONLY_CARD: &str = "[gpu]
mode = \"single\"
[[pci]]
device = \"01:00\"
addr = \"09\"
";

#[test]
fn the_only_card_is_refused_without_a_word_that_it_may_go() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "", "[[pci]]\ndevice = \"01:00\"\n");
    let (ran, trace) = host::on(&Layout::SINGLE_GPU, |host| trace(host, |host| run(host, &profile)));
    assert_refused(&ran.reply, 11, &["0000:01:00.0 is the only graphics card", "mode = \"single\""]);
    assert_eq!(trace, "");
}

#[test]
fn the_guest_has_the_only_card_and_console_and_framebuffer_come_back() {
    for qemu in setup::qemus() {
        let look = look(
            "grep -h frame /sys/class/vtconsole/*/name; ls /sys/class/graphics; readlink /sys/bus/pci/devices/0000:01:00.0/driver | sed s,.*/,,",
        );
        let profile = profile(&qemu, "poke=01:00.0/2/502/0280", &format!("{ONLY_CARD}{look}"));
        let (ran, trace) = host::on(&Layout::SINGLE_GPU, |host| trace(host, |host| run(host, &profile)));
        assert_said(
            &ran.reply,
            &[
                "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
                "pci address=01:00.0 id=1234:1111",
                "pci address=01:00.1 id=8086:293e",
                "after=0280",
            ],
        );
        assert_eq!(ran.seen, "fbcon\nvfio-pci");
        assert_eq!(trace, "", "{}: {}", qemu.version, ran.reply);
    }
}

#[test]
fn console_and_framebuffer_come_back_whatever_step_fails() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", ONLY_CARD);
    let steps = host::on(&Layout::SINGLE_GPU, |host| fail_each_step(host, &profile, Steps::Some));
    assert!(steps >= 7, "{steps}");
}

#[test]
fn console_and_framebuffer_come_back_by_recover_wherever_vmrun_is_killed() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", ONLY_CARD);
    let steps = host::on(&Layout::SINGLE_GPU, |host| kill_at_each_step(host, &profile, Steps::Some));
    assert!(steps >= 7, "{steps}");
}

#[test]
fn a_guest_that_shows_no_sign_of_life_gives_the_only_card_back() {
    for qemu in newer_or_both() {
        let look = look("readlink /sys/bus/pci/devices/0000:01:00.0/driver | sed s,.*/,,");
        let profile = profile(&qemu, "report=brief then=hang", &format!("{ONLY_CARD}[on]\ndead_boot = \"3s\"\n{look}"));
        // What it says at a port that vmrun holds would be a sign.
        let profile = profile.replace("to = \"capture\"", "to = \"file\"\npath = \"serial.log\"");
        let (ran, trace) = host::on(&Layout::SINGLE_GPU, |host| trace(host, |host| run(host, &profile)));
        assert_refused(&ran.reply, 36, &["no sign of life after 3s; it is forced off", "the host is put back"]);
        assert_eq!(ran.seen, "vfio-pci");
        assert_eq!(trace, "", "{}: {}", qemu.version, ran.reply);
    }
}
