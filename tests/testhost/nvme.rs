//! Two NVMe disks, one in use.

use super::scene::{assert_refused, assert_said, look, profile, run, trace};
use super::script::{drivers, group};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
fn one_disk_is_mounted_and_the_other_is_free_each_in_its_own_group() {
    let (drivers, groups, mounted) = host::on(&Layout::NVME, |host| {
        let groups = host.ask(&format!("{}; {}", group("0000:01:00.0"), group("0000:02:00.0")))?;
        let mounted = host.ask("readlink -f /sys/class/block/$(basename $(findmnt -no SOURCE /mnt))")?;
        Ok((host.ask(&drivers("0000:01:00.0 0000:02:00.0"))?, groups, mounted))
    });
    assert_eq!(drivers, "nvme\nnvme");
    assert_eq!(groups, "0000:01:00.0\n0000:02:00.0");
    assert!(mounted.contains("/0000:01:00.0/nvme/"), "{mounted}");
}

#[test]
fn the_controller_of_a_mounted_disk_is_refused() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "", "[[pci]]\ndevice = \"01:00.0\"\n");
    let (ran, trace) = host::on(&Layout::NVME, |host| trace(host, |host| run(host, &profile)));
    assert_refused(&ran.reply, 11, &["0000:01:00.0 is in use by this host", "is mounted at /mnt", "umount /mnt"]);
    assert_eq!(trace, "");
}

#[test]
fn the_free_disk_is_the_guests_and_then_the_hosts_again() {
    let [qemu, _newer] = setup::qemus();
    let look = look("lsblk -dno NAME | grep nvme");
    // The sizes of the admin queues, a register that keeps what is written.
    let profile = profile(
        &qemu,
        "poke=01:00.0/0/24/001f001f",
        &format!("[[pci]]\ndevice = \"02:00.0\"\naddr = \"09.0\"\n{look}"),
    );
    let (ran, trace) = host::on(&Layout::NVME, |host| trace(host, |host| run(host, &profile)));
    assert_said(
        &ran.reply,
        &[
            "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
            "pci address=01:00.0 id=1b36:0010 class=0108",
            "wrote=001f001f after=001f001f",
        ],
    );
    assert_eq!(ran.seen.lines().count(), 1, "{}", ran.seen);
    assert_eq!(trace, "");
}
