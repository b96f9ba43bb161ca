//! The hardware an emulated host is made of, as plain data.

/// One emulated host: what to build it from and what is ready in it before the first command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Name by which a person picks it; also names the initial file system of this layout.
    pub(crate) name: &'static str,
    /// Cores of the one socket.
    pub(crate) cores: u32,
    /// Sibling threads of each core: host CPUs are `cores * threads`, siblings numbered next to each other.
    pub(crate) threads: u32,
    /// Memory in MiB. The huge pages a test asks for come out of it.
    pub(crate) memory_mib: u32,
    /// Devices besides those of every host (IOMMU, root file system, command channel), each as QEMU's `-device` takes it.
    pub(crate) devices: &'static [&'static str],
    /// Kernel modules that are loaded before the first command, so that drivers sit where they sit on a desktop.
    pub(crate) modules: &'static [&'static str],
}

impl Layout {
    /// Two cores with two sibling threads each, an IOMMU, KVM, memory for huge pages.
    pub(crate) const KVM: Self =
        Self { name: "kvm", cores: 2, threads: 2, memory_mib: 2048, devices: &[], modules: &["kvm-amd"] };

    /// [`KVM`](Self::KVM) and a graphics card with its HDMI audio: `0000:01:00.0` on bochs-drm and `0000:01:00.1` on
    /// `snd_hda_intel`, functions of one slot behind a root port and so in one IOMMU group. The card's option ROM is one of
    /// a network card, so that no firmware runs it.
    pub(crate) const GPU: Self = Self {
        name: "gpu",
        devices: &[
            "pcie-root-port,id=gpu,chassis=1,slot=1",
            "secondary-vga,bus=gpu,addr=0.0,multifunction=on,romfile=efi-e1000.rom",
            "ich9-intel-hda,bus=gpu,addr=0.1",
        ],
        modules: &["kvm-amd", "bochs", "snd-hda-intel", "vfio-pci"],
        ..Self::KVM
    };

    /// The arguments of QEMU that give a host of this layout its processor topology, memory and devices.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { name, cores, threads, memory_mib, devices, modules: _ } = self;
        let mut arguments = vec![
            "-name".to_owned(),
            format!("vmrun-test-{name}"),
            "-smp".to_owned(),
            format!("{},sockets=1,cores={cores},threads={threads}", cores * threads),
            "-m".to_owned(),
            memory_mib.to_string(),
        ];
        for device in *devices {
            arguments.extend(["-device".to_owned(), (*device).to_owned()]);
        }
        arguments
    }
}
