//! Which messages are about USB devices.

/// What the message about a device, not about one of its interfaces, holds. The kernel's and udev's have it.
const SUBSYSTEM: &[u8] = b"SUBSYSTEM=usb\0";
const DEVICE: &[u8] = b"DEVTYPE=usb_device\0";

/// `Some` when `message` is about a USB device.
pub(super) fn of_usb_device(message: &[u8]) -> Option<()> {
    let has = |part: &[u8]| message.windows(part.len()).any(|window| window == part);
    (has(SUBSYSTEM) && has(DEVICE)).then_some(())
}

#[cfg(test)]
mod test {
    use super::of_usb_device;

    #[test]
    fn devices_are_told_from_interfaces_and_from_all_else() {
        let message = |kind: &str| format!("add@/devices/x\0ACTION=add\0SUBSYSTEM=usb\0DEVTYPE={kind}\0SEQNUM=7\0");
        assert!(of_usb_device(message("usb_device").as_bytes()).is_some());
        assert!(of_usb_device(message("usb_interface").as_bytes()).is_none());
        assert!(of_usb_device(b"add@/x\0SUBSYSTEM=block\0DEVTYPE=disk\0").is_none());
        assert!(of_usb_device(b"").is_none());
    }
}
