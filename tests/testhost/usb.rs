//! Two USB controllers with devices behind them.

use super::scene::{assert_refused, assert_said, look, profile, run, trace};
use super::script::drivers;
use crate::host::{self, Layout};
use crate::support::setup;

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
    let profile = profile(&qemu, "", "[[pci]]\ndevice = \"02:00.0\"\n");
    let (ran, trace) = host::on(&Layout::USB, |host| trace(host, |host| run(host, &profile)));
    assert_refused(&ran.reply, 11, &["0000:02:00.0 has the host's only keyboard", "last_keyboard = true"]);
    assert_eq!(trace, "");
}

#[test]
fn a_free_controller_is_the_guests_and_its_devices_come_back() {
    let [qemu, _newer] = setup::qemus();
    let look = look(DEVICES);
    let profile = profile(&qemu, "", &format!("[[pci]]\ndevice = \"01:00.0\"\naddr = \"09\"\n{look}"));
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
