//! Interrupts of passed devices, on the host CPUs that the profile wants them on.
//!
//! The kernel makes such an interrupt when the guest's driver enables it, and tells nobody. So it is looked for when
//! something happens that drivers and their users cause: an event of QEMU, a request to vmrun. It is gone with QEMU: there
//! is nothing to undo.

use crate::host::{Root, interrupts};
use crate::unit::{Bdf, CpuSet};
use std::fs;

/// Where the interrupts of some functions belong.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupts {
    /// The functions.
    pub(super) devices: Vec<Bdf>,
    /// Host CPUs of a function's first interrupt, its second and so on, and again from the start; empty when they are left
    /// where the kernel puts them.
    pub(super) places: Vec<CpuSet>,
}

impl Interrupts {
    /// Moves those that are elsewhere; returns what was moved, like `vfio-msix[0](0000:0a:00.0) to CPU 2`.
    ///
    /// One that the kernel keeps where it is stays there; `vmrun verify` names it.
    pub(super) fn place(&self, root: &Root) -> Vec<String> {
        if self.devices.is_empty() || self.places.is_empty() {
            return Vec::new();
        }
        let all = interrupts(root).into_iter().filter_map(|it| Some((it.passed()?, it)));
        let ours = all.filter(|((bdf, _), _)| self.devices.contains(bdf));
        ours.filter_map(|((_, vector), it)| {
            let wanted = &self.places[vector % self.places.len()];
            let path = format!("/proc/irq/{}/smp_affinity_list", it.id);
            let now: CpuSet = root.text(&path)?.parse().ok()?;
            let moved = now != *wanted && fs::write(root.resolve(&path), wanted.to_string()).is_ok();
            moved.then(|| format!("{} to CPU {wanted}", it.handler))
        })
        .collect()
    }
}

#[cfg(test)]
mod test {
    use super::Interrupts;
    use crate::host::tree::lay_out;

    #[test]
    fn each_vector_goes_to_the_host_cpu_of_its_vcpu_once() {
        let tree = lay_out(&[
            (
                "/proc/interrupts",
                "      CPU0 CPU1\n 40: 0 0 PCI-MSI 0-edge vfio-msix[0](0000:0a:00.0)\n \
                 41: 0 0 PCI-MSI 1-edge vfio-msix[1](0000:0a:00.0)\n 42: 0 0 PCI-MSI 2-edge vfio-msix[2](0000:0a:00.0)\n \
                 43: 0 0 IO-APIC 3-fasteoi vfio-intx(0000:0b:00.0)\n 44: 0 0 PCI-MSI 0-edge nvme0q1\n",
            ),
            ("/proc/irq/40/smp_affinity_list", "0-1\n"),
            ("/proc/irq/41/smp_affinity_list", "0-1\n"),
            ("/proc/irq/42/smp_affinity_list", "2\n"),
            ("/proc/irq/43/smp_affinity_list", "0-1\n"),
            ("/proc/irq/44/smp_affinity_list", "0-1\n"),
        ]);
        let places = vec!["2".parse().unwrap(), "3".parse().unwrap()];
        let ours = Interrupts { devices: vec!["0000:0a:00.0".parse().unwrap()], places };
        let moved = ours.place(&tree.root);
        assert_eq!(moved, ["vfio-msix[0](0000:0a:00.0) to CPU 2", "vfio-msix[1](0000:0a:00.0) to CPU 3"]);
        let of = |irq: u32| tree.root.text(format!("/proc/irq/{irq}/smp_affinity_list")).unwrap();
        assert_eq!([40, 41, 42, 43, 44].map(of), ["2", "3", "2", "0-1", "0-1"]);
        assert_eq!(ours.place(&tree.root), Vec::<String>::new());
    }
}
