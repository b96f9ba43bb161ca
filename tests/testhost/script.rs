//! Shell scripts that several tests run in the emulated host.

use super::scene::VMRUN;
use crate::support::setup::Qemu;

/// The program that reports what it sees of its machine, as the build script left it; the host sees it at this path too.
pub(crate) const GUEST: &str = concat!(env!("OUT_DIR"), "/guest.elf");

/// A script that writes a profile and runs the demo guest with it, in a folder that it leaves empty again.
pub(crate) fn demo(qemu: &Qemu) -> String {
    format!(
        "cd $(mktemp -d)
         cat >profile.toml <<'PROFILE'
schema = 1
name = \"vendor\"
[machine]
accel = \"kvm\"
[memory]
size = \"64M\"
[cpu]
cores = 2
hv = [\"relaxed\", \"vapic\", \"time\"]
hv_vendor_id = \"sugoidesu\"
[qemu]
binary = \"{qemu}\"
PROFILE
         {VMRUN} demo --report profile.toml",
        qemu = qemu.binary.display(),
    )
}

/// A script that runs the demo guest under KVM in `qemu` with `options` and prints what it reports.
pub(crate) fn guest(qemu: &Qemu, options: &str) -> String {
    format!(
        "{} -machine q35 -accel kvm -nodefaults -no-user-config -display none -no-reboot \
         -kernel {GUEST} -serial stdio {options}",
        qemu.binary.display()
    )
}

/// A script that moves both functions of the card to the driver named by `override_`, or to their own for an empty one,
/// and prints where they ended.
pub(crate) fn rebind(override_: &str) -> String {
    format!(
        "cd /sys/bus/pci/devices
         for bdf in 0000:01:00.0 0000:01:00.1; do
             echo {override_} >$bdf/driver_override
             echo $bdf >$bdf/driver/unbind
             echo $bdf >../drivers_probe
             basename $(readlink $bdf/driver)
         done"
    )
}

/// A script that prints the IOMMU group of `bdf`: the addresses in it.
pub(crate) fn group(bdf: &str) -> String {
    format!("ls /sys/bus/pci/devices/{bdf}/iommu_group/devices")
}

/// A script that prints the driver of each of `bdfs`, or a dash.
pub(crate) fn drivers(bdfs: &str) -> String {
    format!(
        "cd /sys/bus/pci/devices
         for bdf in {bdfs}; do
             [ -e $bdf/driver ] && basename $(readlink $bdf/driver) || echo -
         done"
    )
}
