//! A card and its audio, as on a desktop with a second card.

use super::script::{guest, rebind};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
fn the_card_and_its_audio_share_a_group_and_sit_on_their_drivers() {
    let (group, drivers) = host::on(&Layout::GPU, |host| {
        let group = host.ask("ls /sys/bus/pci/devices/0000:01:00.0/iommu_group/devices")?;
        let drivers = host.ask("cd /sys/bus/pci/devices && readlink 0000:01:00.[01]/driver | sed 's,.*/,,'")?;
        Ok((group, drivers))
    });
    assert_eq!(group, "0000:01:00.0\n0000:01:00.1");
    assert_eq!(drivers, "bochs-drm\nsnd_hda_intel");
}

#[test]
fn the_card_goes_to_vfio_and_back_to_its_drivers() {
    let (bound, nodes, back) = host::on(&Layout::GPU, |host| {
        let bound = host.ask(&rebind("vfio-pci"))?;
        let nodes = host.ask("basename $(readlink /sys/bus/pci/devices/0000:01:00.0/iommu_group); ls /dev/vfio")?;
        let back = host.ask(&rebind(""))?;
        Ok((bound, nodes, back))
    });
    let group = nodes.lines().next().expect("a group has a number");
    assert_eq!(bound, "vfio-pci\nvfio-pci");
    assert_eq!(nodes, format!("{group}\n{group}\nvfio"));
    assert_eq!(back, "bochs-drm\nsnd_hda_intel");
}

#[test]
fn a_guest_on_huge_pages_is_given_both_functions_of_the_card() {
    let [qemu, _newer] = setup::qemus();
    let (report, back) = host::on(&Layout::GPU, |host| {
        host.ask(&rebind("vfio-pci"))?;
        host.ask("echo 32 >/proc/sys/vm/nr_hugepages")?;
        let report = host.ask(&guest(
            &qemu,
            "-cpu host -m 64 -machine memory-backend=pages \
             -object memory-backend-memfd,id=pages,size=64M,hugetlb=on,hugetlbsize=2M,prealloc=on \
             -device vfio-pci,host=0000:01:00.0,addr=5.0,multifunction=on -device vfio-pci,host=0000:01:00.1,addr=5.1",
        ))?;
        host.ask("echo 0 >/proc/sys/vm/nr_hugepages")?;
        Ok((report, host.ask(&rebind(""))?))
    });
    assert!(report.contains("vmrun-guest: pci address=00:05.0 id=1234:1111"), "{report}");
    assert!(report.contains("vmrun-guest: pci address=00:05.1 id=8086:293e"), "{report}");
    assert_eq!(back, "bochs-drm\nsnd_hda_intel");
}
