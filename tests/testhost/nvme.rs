//! Two NVMe disks, one in use.

use super::script::{drivers, group};
use crate::host::{self, Layout};

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
