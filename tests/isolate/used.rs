//! What captured hosts do with their devices themselves is not taken from them at boot.

use vmrun::host::{Boot, Host};
use vmrun::isolate::{Request, propose};

/// What is refused when `device` is asked for on the captured `host`: each as `what; why; fix`.
fn refused(host: &str, device: &str, headless: bool) -> Vec<String> {
    let path = format!("{}/tests/hosts/{host}.json", env!("CARGO_MANIFEST_DIR"));
    let host: Host = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let request = Request { devices: vec![device.parse().unwrap()], headless, ..Request::default() };
    let problems = propose(&host.pci, &Boot::default(), &request).err().unwrap_or_default();
    let told = problems.into_iter().map(|it| format!("{}; {}; {}", it.what, it.why, it.fix));
    told.filter(|line| !line.contains("initramfs")).collect()
}

#[test]
fn the_disk_with_the_root_file_system_is_refused() {
    assert_eq!(
        refused("x3d-two-gpus", "0000:02:00.0", false),
        [
            "0000:02:00.0 is in use by this host: nvme0n1p1 is mounted at /boot/efi; after a reboot the host would be \
             without it; name another device; or umount /boot/efi and take it out of /etc/fstab",
            "0000:02:00.0 is in use by this host: nvme0n1p2 is part of LUKS luks-root; after a reboot the host would be \
             without it; name another device; or take its disks out of that first",
            "0000:02:00.0 is in use by this host: nvme0n1p2 is mounted at /; after a reboot the host would be \
             without it; name another device",
        ]
    );
}

#[test]
fn the_way_out_of_the_host_is_refused() {
    assert_eq!(
        refused("x3d-two-gpus", "0000:04:00.0", false),
        [
            "0000:04:00.0 is in use by this host: the way out of this host leads over br0; after a reboot the host would be \
          without it; name another interface; or let the host's network go another way first"
        ]
    );
}

#[test]
fn a_disk_that_is_swapped_to_or_part_of_something_is_refused() {
    let told = refused("hybrid-one-gpu", "0000:05:00.0", false);
    assert!(told[0].contains("sda1 is part of ZFS tank"), "{told:?}");
    assert!(told[1].contains("or swapoff /dev/sdb1 and take it out of /etc/fstab"), "{told:?}");
}

#[test]
fn the_only_keyboard_is_refused_unless_nobody_sits_at_the_host() {
    assert_eq!(
        refused("hybrid-one-gpu", "0000:00:14.0", false).last().unwrap(),
        "0000:00:14.0 has the host's only keyboard; the keyboard Corsair K70 is on it; after a reboot nothing could be \
         typed on the host; plug a keyboard into another controller; or, for a host that nobody sits at, add --headless"
    );
    assert!(!refused("hybrid-one-gpu", "0000:00:14.0", true).iter().any(|line| line.contains("keyboard")));
}

#[test]
fn what_the_host_does_not_use_is_not_refused() {
    assert_eq!(refused("zen3", "0000:0a:00.0", true), [""; 0]);
}
