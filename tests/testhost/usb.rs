//! Two USB controllers with devices behind them.

use super::scene::VMRUN;
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

/// Prints which node of a USB device QEMU has open, once there is one.
const HELD: &str = "cd /run/wheel
                    qemu=$(pgrep -f guest=wheel)
                    until readlink /proc/$qemu/fd/* | grep /dev/bus/usb; do sleep 0.2; done";

#[test]
fn a_device_leaves_the_guest_when_it_is_pulled_out_and_comes_back_when_it_is_plugged_in() {
    for qemu in setup::qemus() {
        let said = |what: &str| {
            let wait = "do sleep 0.2; pgrep -f guest=wheel >/dev/null || { cat log; exit 1; }; done";
            format!("cd /run/wheel; until grep '{what}' log; {wait}")
        };
        let (before, after) = host::on(&Layout::USB, |host| {
            host.ask(&format!(
                "mkdir -p /run/wheel/runtime /run/wheel/state; cd /run/wheel
                 cat >profile.toml <<'PROFILE'
schema = 1
name = \"wheel\"
[memory]
size = \"64M\"
[[usb]]
id = \"0403:6001\"
[qemu]
binary = \"{binary}\"
PROFILE
                 export VMRUN_RUNTIME_DIR=$PWD/runtime VMRUN_STATE_DIR=$PWD/state
                 {VMRUN} run profile.toml >/dev/null 2>log &
                 until grep -q 'guest running' log; do sleep 0.2; kill -0 $! || {{ cat log; exit 1; }}; done",
                binary = qemu.binary.display(),
            ))?;
            let before = host.ask(HELD)?;
            host.pull("wheel")?;
            host.ask(&said("was pulled out"))?;
            host.plug(Layout::WHEEL)?;
            host.ask(&said("was plugged in at"))?;
            let after = host.ask(HELD)?;
            host.ask(&format!(
                "cd /run/wheel
                 VMRUN_RUNTIME_DIR=$PWD/runtime VMRUN_STATE_DIR=$PWD/state {VMRUN} stop --force wheel >/dev/null 2>&1
                 while [ -e runtime/wheel ]; do sleep 0.2; done; rm -r /run/wheel
                 until [ -e /dev/ttyUSB0 ]; do sleep 0.2; done"
            ))?;
            Ok((before, after))
        });
        assert_ne!(before, after, "QEMU {}", qemu.version);
    }
}
