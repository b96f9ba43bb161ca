//! Two USB controllers with devices behind them.

use super::scene::{USER_ID, VMRUN, assert_refused, assert_said, look, profile, run, trace, with_kvm_group};
use super::script::drivers;
use crate::host::{self, Host, Layout, Lost};
use crate::support::setup::{self, Qemu};
use serde_json::json;

/// Prints vendor and product of each USB device that is no hub, sorted.
const DEVICES: &str = "cd /sys/bus/usb/devices
                       for device in *-[0-9]; do echo $(cat $device/idVendor $device/idProduct); done | sort";

#[test]
fn devices_sit_behind_the_controllers_and_the_keyboard_is_behind_the_second() {
    let (controllers, devices, keyboard) = host::on(&Layout::USB, |host| {
        let controllers = host.ask(&drivers("0000:01:00.0 0000:02:00.0"))?;
        Ok((controllers, host.ask(DEVICES)?, host.ask("readlink -f /sys/class/input/event*/device | grep /usb")?))
    });
    assert_eq!(controllers, "xhci_hcd\nxhci_hcd");
    assert_eq!(devices, "0403 6001\n0627 0001\n46f4 0001");
    assert!(keyboard.contains("/0000:02:00.0/"), "{keyboard}");
}

#[test]
fn a_device_is_pulled_out_and_comes_back() {
    let (without, with) = host::on(&Layout::USB, |host| {
        host.pull("wheel")?;
        let without = host.ask(&format!("while [ -e /dev/ttyUSB0 ]; do sleep 0.1; done; {DEVICES}"))?;
        host.plug(Layout::WHEEL)?;
        Ok((without, host.ask(&format!("until [ -e /dev/ttyUSB0 ]; do sleep 0.1; done; {DEVICES}"))?))
    });
    assert_eq!(without, "0627 0001\n46f4 0001");
    assert_eq!(with, "0403 6001\n0627 0001\n46f4 0001");
}

#[test]
fn a_device_that_is_not_plugged_in_is_no_error() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", "[[usb]]\nid = \"046d:c29b\"\n");
    let (ran, trace) = host::on(&Layout::USB, |host| trace(host, |host| run(host, &profile)));
    assert_said(&ran.reply, &["vmrun-guest: done"]);
    assert_eq!(trace, "");
}

#[test]
fn the_controller_of_the_only_keyboard_is_refused() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "", "[[pci]]\nusb_controller_of = \"0627:0001\"\n");
    let (ran, trace) = host::on(&Layout::USB, |host| trace(host, |host| run(host, &profile)));
    assert_refused(&ran.reply, 11, &["0000:02:00.0 has the host's only keyboard", "last_keyboard = true"]);
    assert_eq!(trace, "");
}

#[test]
fn a_free_controller_is_the_guests_and_its_devices_come_back() {
    let [qemu, _newer] = setup::qemus();
    let look = look(DEVICES);
    let profile = profile(&qemu, "", &format!("[[pci]]\nusb_controller_of = \"0403:6001\"\naddr = \"09\"\n{look}"));
    let (ran, trace) = host::on(&Layout::USB, |host| {
        trace(host, |host| {
            let ran = run(host, &profile)?;
            host.run("for wait in $(seq 300); do [ -e /dev/ttyUSB0 ] && [ -e /dev/sda ] && exit; sleep 0.2; done")?;
            Ok(ran)
        })
    });
    let port = "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01";
    assert_said(&ran.reply, &[port, "pci address=01:00.0 id=1b36:000d"]);
    assert_eq!(ran.seen, "0627 0001");
    assert_eq!(trace, "");
}

/// The serial adapter in another socket.
const ELSEWHERE: &str = "usb-serial,id=wheel,bus=free.0,port=3,chardev=nothing,always-plugged=on";

/// What QEMU says of a device that it has opened: by its own name. One that it waits for is a "USB Host Device".
const HAS_IT: &str = "Product QEMU USB SERIAL, ID: usb0";

#[test]
fn a_guest_loses_a_device_that_is_pulled_out_and_gets_it_again_at_another_socket() {
    let [qemu, _] = setup::qemus();
    let (first, without, with) = host::on(&Layout::USB, |host| there_and_back(host, &qemu, ""));
    assert!(first.contains(HAS_IT), "{first}");
    assert!(!without.contains("usb0"), "{without}");
    assert!(with.contains(HAS_IT), "{with}");
}

#[test]
fn a_qemu_that_is_no_root_gets_the_device_again_too_and_its_node_goes_back() {
    let [_, qemu] = setup::qemus();
    let ((first, without, with), owners) = host::on(&Layout::USB, |host| {
        with_kvm_group(host, |host| {
            let seen = there_and_back(host, &qemu, "\nuser = \"nobody\"")?;
            Ok((seen, host.ask("stat -c %u /dev/bus/usb/*/* | sort -u")?))
        })
    });
    assert!(first.contains(HAS_IT) && first.contains(&format!("owner {USER_ID}")), "{first}");
    assert!(!without.contains("usb0") && !without.contains(USER_ID), "{without}");
    assert!(with.contains(HAS_IT) && with.contains(&format!("owner {USER_ID}")), "{with}");
    assert_eq!(owners, "0");
}

/// What the guest has at first, when the serial adapter was pulled out, and when it is in another socket. `more` is of
/// the table `[qemu]`.
fn there_and_back(host: &mut Host, qemu: &Qemu, more: &str) -> Result<(String, String, String), Lost> {
    start_with(host, qemu, "[[usb]]\nid = \"0403:6001\"", more)?;
    let first = devices(host)?;
    host.pull("wheel")?;
    said(host, "usb[0] (0403:6001) was pulled out")?;
    let without = devices(host)?;
    host.plug(ELSEWHERE)?;
    said(host, "usb[0] (0403:6001) was plugged in at 1-3")?;
    let with = devices(host)?;
    end(host)?;
    host.pull("wheel")?;
    host.plug(Layout::WHEEL)?;
    host.ask("until [ -e /dev/ttyUSB0 ]; do sleep 0.1; done")?;
    Ok((first, without, with))
}

#[test]
fn a_guest_starts_without_a_device_and_gets_it_when_it_is_plugged_in() {
    let [_, qemu] = setup::qemus();
    let (without, with) = host::on(&Layout::USB, |host| {
        host.pull("wheel")?;
        start(host, &qemu)?;
        said(host, "usb[0] (0403:6001) is not plugged in; it comes when it is")?;
        let without = devices(host)?;
        host.plug(Layout::WHEEL)?;
        said(host, "usb[0] (0403:6001) was plugged in at 1-1")?;
        let with = devices(host)?;
        end(host)?;
        host.ask("until [ -e /dev/ttyUSB0 ]; do sleep 0.1; done")?;
        Ok((without, with))
    });
    assert!(!without.contains("usb0"), "{without}");
    assert!(with.contains(HAS_IT), "{with}");
}

#[test]
fn a_device_that_is_given_by_hand_is_the_guests_at_once_and_comes_back() {
    let [qemu, _] = setup::qemus();
    let (with, without) = host::on(&Layout::USB, |host| {
        start_with(host, &qemu, "[usb_controller]", "")?;
        let given = host.ask(&format!("{THERE}; {VMRUN} usb give wheel 0403:6001 2>&1"))?;
        let with = given + "\n" + &devices(host)?;
        host.ask(&format!("{THERE}; {VMRUN} usb take wheel 0403:6001"))?;
        let without = devices(host)?;
        end(host)?;
        host.ask("until [ -e /dev/ttyUSB0 ]; do sleep 0.1; done")?;
        Ok((with, without))
    });
    assert!(with.contains("it has 0403:6001"), "{with}");
    assert!(with.contains("Product QEMU USB SERIAL"), "{with}");
    assert!(!without.contains("USB SERIAL"), "{without}");
}

/// The keyboard of [`Layout::USB`], to put back.
const KEYBOARD: &str = "usb-kbd,id=keyboard,bus=busy.0,port=1";

/// Prints the node of the USB keyboard.
const NODE: &str = "for event in /sys/class/input/event*; do
                        if readlink -f $event/device | grep -q /usb; then echo /dev/input/${event##*/}; fi
                    done";

/// Prints the input devices of the host that QEMU has as objects and open, and who owns the node of one.
fn inputs(node: &str) -> String {
    format!(
        "{THERE}; {VMRUN} qmp wheel '{{\"execute\": \"qom-list\", \"arguments\": {{\"path\": \"/objects\"}}}}' | grep -o 'input[0-9-]*\"' | tr -d '\"'
         ls -l /proc/[0-9]*/fd 2>/dev/null | grep -o -- '-> {node}.*'; stat -c 'owner %u' {node} 2>/dev/null; true"
    )
}

/// What the guest's QEMU has at first, when the keyboard was pulled out, and when it is in its socket again; and what became
/// of a key that was pressed then. `more` is of the table `[qemu]`.
fn keyboard_there_and_back(host: &mut Host, qemu: &Qemu, more: &str) -> Result<[String; 4], Lost> {
    let node = host.ask(NODE)?;
    let has = inputs(&node);
    start_with(host, qemu, &format!("[[input]]\nkind = \"evdev\"\ndevice = \"{node}\""), more)?;
    let first = host.ask(&has)?;
    host.pull("keyboard")?;
    said(host, &format!("input[0] ({node}) was pulled out"))?;
    let without = host.ask(&has)?;
    host.plug(KEYBOARD)?;
    said(host, &format!("input[0] ({node}) was plugged in"))?;
    let with = host.ask(&has)?;
    host.ask(&format!("{THERE}; {VMRUN} hmp wheel 'trace-event input_event_key_qcode on'"))?;
    host.outer("send-key", &json!({"keys": [{"type": "qcode", "data": "q"}]}))?;
    let key = host.ask(&format!(
        "{THERE}; for wait in $(seq 100); do {VMRUN} logs wheel | grep -o 'key qcode q, down 1' && exit; sleep 0.2; done"
    ))?;
    end(host)?;
    Ok([first, without, with, key])
}

fn assert_keyboard_came_back([first, without, with, key]: &[String; 4], owner: &str) {
    let there = |seen: &str| seen.contains("input0") && seen.matches("-> /dev/input/event").count() == 1;
    assert!(there(first) && first.contains(&format!("owner {owner}")), "{first}");
    assert!(!without.contains("input0") && !without.contains("->"), "{without}");
    assert!(there(with) && with.contains(&format!("owner {owner}")) && !with.contains("deleted"), "{with}");
    assert!(key.contains("key qcode q, down 1"), "{key}");
}

#[test]
fn a_keyboard_that_is_pulled_out_is_the_guests_again_when_it_is_plugged_in() {
    for qemu in setup::qemus() {
        let seen = host::on(&Layout::USB, |host| keyboard_there_and_back(host, &qemu, ""));
        assert_keyboard_came_back(&seen, "0");
    }
}

#[test]
fn a_qemu_that_is_no_root_gets_the_keyboard_again_too_and_its_node_goes_back() {
    let [_, qemu] = setup::qemus();
    let (seen, owner) = host::on(&Layout::USB, |host| {
        with_kvm_group(host, |host| {
            let seen = keyboard_there_and_back(host, &qemu, "\nuser = \"nobody\"")?;
            Ok((seen, host.ask(&format!("stat -c %u $({NODE})"))?))
        })
    });
    assert_keyboard_came_back(&seen, USER_ID);
    assert_eq!(owner, "0");
}

#[test]
fn a_guest_that_reboots_by_a_qemu_of_its_own_while_its_keyboard_is_out_starts_without_it_and_gets_it_back() {
    for (qemu, more, owner) in [(&setup::qemus()[0], "", "0"), (&setup::qemus()[1], "\nuser = \"nobody\"", USER_ID)] {
        let (without, with) = host::on(&Layout::USB, |host| {
            with_kvm_group(host, |host| {
                let node = host.ask(NODE)?;
                let tables = format!("[on]\nreboot = \"restart\"\n[[input]]\nkind = \"evdev\"\ndevice = \"{node}\"");
                start_with(host, qemu, &tables, more)?;
                host.pull("keyboard")?;
                said(host, &format!("input[0] ({node}) was pulled out"))?;
                host.ask(&format!("{THERE}; {VMRUN} reset wheel"))?;
                said(host, "QEMU is started anew")?;
                host.ask(&format!(
                    "{THERE}
                     until {VMRUN} qmp wheel query-status >/dev/null 2>&1; do
                         kill -0 $(cat pid) || {{ cat log; exit 1; }}
                         sleep 0.2
                     done"
                ))?;
                let without = host.ask(&inputs(&node))?;
                host.plug(KEYBOARD)?;
                said(host, &format!("input[0] ({node}) was plugged in"))?;
                let with = host.ask(&inputs(&node))?;
                end(host)?;
                Ok((without, with))
            })
        });
        assert!(!without.contains("input0") && !without.contains("->"), "{without}");
        assert!(with.contains("input0") && with.contains("-> /dev/input/event"), "{with}");
        assert!(with.contains(&format!("owner {owner}")), "{with}");
    }
}

/// In the folder of the guest that wants the serial adapter, with vmrun's own folders in it.
const THERE: &str = "mkdir -p /run/wheel/runtime /run/wheel/state; cd /run/wheel
                     export VMRUN_RUNTIME_DIR=$PWD/runtime VMRUN_STATE_DIR=$PWD/state";

/// Starts a guest that wants the serial adapter, and waits until it runs.
fn start(host: &mut Host, qemu: &Qemu) -> Result<(), Lost> {
    start_with(host, qemu, "[[usb]]\nid = \"0403:6001\"", "")
}

/// Starts a guest with `tables` and `more` in the table `[qemu]`, and waits until it runs.
fn start_with(host: &mut Host, qemu: &Qemu, tables: &str, more: &str) -> Result<(), Lost> {
    host.ask(&format!(
        "{THERE}
         cat >profile.toml <<'PROFILE'
schema = 1
name = \"wheel\"
[memory]
size = \"64M\"
{tables}
[qemu]
binary = \"{}\"{more}
PROFILE
         {VMRUN} run profile.toml >/dev/null 2>log &
         echo $! >pid",
        qemu.binary.display()
    ))?;
    said(host, "guest running")
}

/// Waits until the guest's vmrun has said `what`, be it with its last words: it is looked for once more after the end.
fn said(host: &mut Host, what: &str) -> Result<(), Lost> {
    let wait = "[ ! $over ] || { cat log; exit 1; }; sleep 0.2; kill -0 $(cat pid) || over=yes";
    host.ask(&format!("cd /run/wheel; over=; until grep -qF '{what}' log; do {wait}; done")).map(drop)
}

/// The USB devices that the guest's QEMU has, and the owners of all nodes of such.
fn devices(host: &mut Host) -> Result<String, Lost> {
    host.ask(&format!("{THERE}; {VMRUN} hmp wheel 'info usb'; stat -c 'owner %u' /dev/bus/usb/*/*"))
}

/// Ends the guest and waits until its vmrun has put everything back.
fn end(host: &mut Host) -> Result<(), Lost> {
    host.ask(&format!(
        "{THERE}; {VMRUN} stop --force wheel >/dev/null; while kill -0 $(cat pid) 2>/dev/null; do sleep 0.2; done
         rm -r /run/wheel"
    ))
    .map(drop)
}
