//! A real keyboard of the host whose keys are pressed from outside: vmrun reads it beside the kernel.

use super::scene::{STATE, VMRUN, newer_or_both, profile, write};
use crate::host::{self, Host, Layout, Lost};
use crate::support::setup::Qemu;
use serde_json::json;

/// The keyboard of [`Layout::USB`], to plug it in again.
const KEYBOARD: &str = "usb-kbd,id=keyboard,bus=busy.0,port=1";

/// Prints the node of the keyboard behind the second controller, when it is there.
const NODE: &str = "for wait in $(seq 100); do
        for node in /sys/class/input/event*; do
            case $(readlink -f $node/device) in */0000:02:00.0/usb*) basename $node; exit 0 ;; esac
        done
        sleep 0.1
    done; exit 1";

/// QEMU's names of the keys in [`started`]'s profile. QEMU: `QKeyCode`, `qapi/ui.json`.
const CHORD: [&str; 3] = ["ctrl", "alt", "pause"];

#[test]
fn a_chord_on_a_real_keyboard_presses_the_power_button_and_the_keyboard_may_come_and_go() {
    for qemu in newer_or_both() {
        let (log, left) = host::on(&Layout::USB, |host| {
            started(host, &qemu, "then=wait")?;
            said(host, "vmrun-guest: waiting")?;
            press(host, &CHORD[..2])?;
            host.pull("keyboard")?;
            said(host, "the panic key does not work until its keyboard is there again")?;
            host.plug(KEYBOARD)?;
            said(host, "the panic key works again")?;
            press(host, &CHORD)?;
            said(host, "the panic key is pressed")?;
            ended(host)
        });
        assert!(log.ends_with("status 0") && log.contains("vmrun-guest: power button"), "QEMU {}: {log}", qemu.version);
        assert_eq!(log.matches("the panic key is pressed").count(), 1, "{log}");
        assert_eq!(left, "");
    }
}

#[test]
fn a_chord_that_is_pressed_three_times_forces_a_guest_off_that_does_not_answer() {
    let (log, left) = host::on(&Layout::USB, |host| {
        started(host, &newer_or_both()[0], "then=ignore")?;
        said(host, "vmrun-guest: waiting")?;
        for word in ["power button pressed", "Ctrl-C or the panic key once more within 5 s"] {
            press(host, &CHORD)?;
            said(host, word)?;
        }
        press(host, &CHORD)?;
        ended(host)
    });
    assert!(log.ends_with("status 35") && log.contains("the guest was forced off"), "{log}");
    assert_eq!(left, "");
}

/// Starts a guest that does `then`, with the chord on the keyboard.
fn started(host: &mut Host, qemu: &Qemu, then: &str) -> Result<(), Lost> {
    let node = host.ask(NODE)?;
    let keys = "keys = [\"leftctrl\", \"leftalt\", \"pause\"]";
    let table = format!("[on.panic_key]\ndevice = \"/dev/input/{node}\"\n{keys}\n");
    let profile = profile(qemu, &format!("report=brief {then}"), &table);
    host.ask(&format!(
        "{STATE} >/run/before; {}
         {{ {VMRUN} run profile.toml; echo status $?; }} >log 2>&1 &",
        write(&profile)
    ))?;
    said(host, "guest running")
}

/// Presses `keys` together and lets go of them, as a hand does.
fn press(host: &mut Host, keys: &[&str]) -> Result<(), Lost> {
    let keys: Vec<_> = keys.iter().map(|key| json!({ "type": "qcode", "data": key })).collect();
    host.outer("send-key", &json!({ "keys": keys, "hold-time": 300 })).map(drop)
}

/// Waits until vmrun or its guest has said `what`, be it with its last words: it is looked for once more after the end.
fn said(host: &mut Host, what: &str) -> Result<(), Lost> {
    let wait = "[ ! $over ] || { cat log; exit 1; }; sleep 0.2; ! grep -q '^status' log || over=yes";
    host.ask(&format!("cd /run/profile; over=; until grep -qF '{what}' log; do {wait}; done")).map(drop)
}

/// What was said until the end, and what that left changed.
fn ended(host: &mut Host) -> Result<(String, String), Lost> {
    let log = host.ask("cd /run/profile; until grep -q '^status' log; do sleep 0.2; done; cat log")?;
    Ok((log, host.run(&format!("{STATE} >/run/after; diff /run/before /run/after"))?.text()))
}
