//! Two USB controllers with devices behind them.

use super::script::drivers;
use crate::host::{self, Layout};

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
