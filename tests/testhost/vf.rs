//! A network card that makes virtual functions.

use crate::host::{self, Layout};

#[test]
fn virtual_functions_come_each_in_a_group_of_its_own_and_go() {
    let (groups, left) = host::on(&Layout::VF, |host| {
        let groups = host.ask(
            "cd /sys/bus/pci/devices/0000:01:00.0
             echo 2 >sriov_numvfs
             for function in virtfn*; do ls $function/iommu_group/devices | wc -l; done
             echo 0 >sriov_numvfs",
        )?;
        Ok((groups, host.run("ls -d /sys/bus/pci/devices/0000:01:00.0/virtfn*")?.text()))
    });
    assert_eq!(groups, "1\n1");
    assert_eq!(left, "");
}
