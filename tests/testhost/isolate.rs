//! `vmrun isolate`: a card that is vfio-pci's from boot on.

use super::scene::VMRUN;
use crate::host::{self, Layout};

#[test]
fn what_isolate_writes_binds_the_card_by_address_when_vfio_pci_is_loaded() {
    let reload = "for bdf in 0000:01:00.0 0000:01:00.1; do
             echo >/sys/bus/pci/devices/$bdf/driver_override
             echo $bdf >/sys/bus/pci/devices/$bdf/driver/unbind
         done
         modprobe -r vfio-pci && modprobe vfio-pci
         for bdf in 0000:01:00.0 0000:01:00.1; do basename $(readlink /sys/bus/pci/devices/$bdf/driver || echo none); done";
    let (bound, guarded, back, left) = host::on(&Layout::GPU, |host| {
        host.ask(&format!("{VMRUN} isolate 01:00 --by-address --headless --apply 2>&1"))?;
        let bound = host.ask(reload)?;
        // As if another card had come to its place.
        let script = "/usr/local/sbin/vmrun-vfio-override";
        let guarded = host.ask(&format!(
            "sed -i.orig s/0x1234:0x1111/0x1234:0x2222/ {script}\n{reload}\nmv {script}.orig {script}"
        ))?;
        let left = host.ask(&format!(
            "{VMRUN} isolate --remove 2>&1; ls /etc/modprobe.d/vmrun* {script} 2>&1 | grep -c 'No such'"
        ))?;
        let back = host.ask(
            "modprobe -r vfio-pci
             for bdf in 0000:01:00.0 0000:01:00.1; do
                 echo >/sys/bus/pci/devices/$bdf/driver_override
                 echo $bdf >/sys/bus/pci/drivers_probe
                 basename $(readlink /sys/bus/pci/devices/$bdf/driver)
             done
             modprobe vfio-pci",
        )?;
        Ok((bound, guarded, back, left))
    });
    assert_eq!(bound, "vfio-pci\nvfio-pci");
    assert_eq!(guarded, "none\nvfio-pci");
    assert_eq!(back, "bochs-drm\nsnd_hda_intel");
    assert!(left.starts_with("all is as it was before") && left.ends_with("\n2"), "{left}");
}

#[test]
fn of_twins_isolate_binds_the_named_one_alone() {
    let (bound, back) = host::on(&Layout::TWIN_GPU, |host| {
        let cards = "for bdf in 0000:01:00.0 0000:02:00.0; do
                         basename $(readlink /sys/bus/pci/devices/$bdf/driver)
                     done";
        host.ask(&format!("{VMRUN} isolate 02:00 --apply 2>&1"))?;
        // As at boot, when no driver has them yet.
        host.ask(
            "for bdf in 0000:01:00.0 0000:02:00.0; do echo $bdf >/sys/bus/pci/devices/$bdf/driver/unbind; done
             modprobe -r vfio-pci && modprobe vfio-pci && echo 0000:01:00.0 >/sys/bus/pci/drivers_probe",
        )?;
        let bound = host.ask(cards)?;
        host.ask(&format!("{VMRUN} isolate --remove 2>&1"))?;
        host.ask(
            "modprobe -r vfio-pci
             for bdf in 0000:02:00.0 0000:02:00.1; do
                 echo >/sys/bus/pci/devices/$bdf/driver_override
                 echo $bdf >/sys/bus/pci/drivers_probe
             done
             modprobe vfio-pci",
        )?;
        Ok((bound, host.ask(cards)?))
    });
    assert_eq!(bound, "bochs-drm\nvfio-pci");
    assert_eq!(back, "bochs-drm\nbochs-drm");
}
