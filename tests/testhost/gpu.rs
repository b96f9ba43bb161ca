//! A card and its audio, as on a desktop with a second card.

use super::scene::VMRUN;
use super::script::{guest, rebind};
use crate::host::{self, Layout};
use crate::support::setup::{self, Qemu};

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

#[test]
fn vmrun_takes_a_card_gives_it_to_a_guest_and_leaves_the_host_as_it_was() {
    let (before, runs) = host::on(&Layout::GPU, |host| {
        let before = host.ask(PICTURE)?;
        let mut runs = Vec::new();
        for qemu in setup::qemus() {
            let report = host.run(&passed(&qemu))?;
            runs.push((report, host.ask(PICTURE)?));
        }
        Ok((before, runs))
    });
    assert!(before.contains("0000:01:00.0 bochs-drm (null)"), "{before}");
    for (report, after) in runs {
        let said = String::from_utf8_lossy(&report.stdout);
        let told = String::from_utf8_lossy(&report.stderr);
        assert_eq!(report.status, 0, "{told}\n{said}");
        assert!(said.contains("id=1234:1111"), "{told}\n{said}");
        assert!(said.contains("id=8086:293e"), "{told}\n{said}");
        assert_eq!(after, before, "{told}\n{said}");
    }
}

/// A script that prints everything of the card and its sound that vmrun may touch.
const PICTURE: &str = "cd /sys/bus/pci/devices
    for bdf in 0000:01:00.0 0000:01:00.1; do
        echo $bdf $(basename $(readlink $bdf/driver)) $(cat $bdf/driver_override $bdf/power/control \
            $bdf/d3cold_allowed $bdf/reset_method $bdf/enable 2>&1)
    done
    cat /sys/class/vtconsole/*/bind /sys/class/graphics/fb*/name /proc/sys/vm/nr_hugepages
    ls /dev/vfio";

/// A script that runs the demo guest with both functions of the card, on huge pages.
fn passed(qemu: &Qemu) -> String {
    format!(
        "cd $(mktemp -d)
         cat >profile.toml <<'PROFILE'
schema = 1
name = \"card\"
[machine]
accel = \"kvm\"
[memory]
size = \"64M\"
hugepages = true
[gpu]
mode = \"single\"
[[pci]]
device = \"01:00\"
[qemu]
binary = \"{qemu}\"
PROFILE
         {VMRUN} demo --report profile.toml",
        qemu = qemu.binary.display(),
    )
}
