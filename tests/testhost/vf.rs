//! A network card that makes virtual functions.

use super::scene::{assert_said, look, profile, run, trace};
use crate::host::{self, Layout};
use crate::support::setup;

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

#[test]
fn a_virtual_function_is_the_guests_while_the_card_stays_with_the_host() {
    let [qemu, _newer] = setup::qemus();
    let look = look("readlink /sys/bus/pci/devices/0000:01:00.0/driver | sed s,.*/,,");
    let (ran, trace) = host::on(&Layout::VF, |host| {
        let function =
            host.ask("cd /sys/bus/pci/devices/0000:01:00.0; echo 1 >sriov_numvfs; basename $(readlink virtfn0)")?;
        let profile = profile(&qemu, "", &format!("[[pci]]\nhost = \"{function}\"\naddr = \"09.0\"\n{look}"));
        let found = trace(host, |host| run(host, &profile))?;
        host.ask("echo 0 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs")?;
        Ok(found)
    });
    assert_said(&ran.reply, &["to vfio-pci", "pci address=01:00.0 id=8086:10ca"]);
    assert_eq!(ran.seen, "igb");
    assert_eq!(trace, "", "{}", ran.reply);
}
