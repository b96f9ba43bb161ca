//! The only card, with the kernel's console on it.

use crate::host::{self, Layout};

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
