//! What a reader of the facts wants to know.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a profile wants to know of the host beyond what is always read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The QEMU that the profile names: a path, or a name to look for in `PATH`.
    pub qemu: Option<PathBuf>,
    /// Paths that the profile names: images, folders, scripts, programs.
    pub paths: Vec<PathBuf>,
    /// Disk images among them.
    pub images: Vec<PathBuf>,
    /// Files with option ROMs among them.
    pub roms: Vec<PathBuf>,
    /// Places where virtiofsd may be, best first; empty when no share wants it.
    pub virtiofsd: Vec<PathBuf>,
    /// The run folder of the guest, when it matters what those beside it have.
    pub run: Option<PathBuf>,
    /// Login name of the user that QEMU shall run as, and the group in the place of that user's own.
    pub user: Option<(String, Option<String>)>,
    /// Parts of the machine to look at closely.
    pub areas: BTreeSet<Area>,
}

impl Wants {
    /// Nothing but a close look at `areas`.
    #[must_use]
    pub fn of(areas: impl IntoIterator<Item = Area>) -> Self {
        Self { areas: areas.into_iter().collect(), ..Self::default() }
    }

    /// Whether `area` is looked at.
    #[must_use]
    pub fn area(&self, area: Area) -> bool {
        self.areas.contains(&area)
    }

    /// Whether one of `areas` is looked at.
    #[must_use]
    pub fn any(&self, areas: &[Area]) -> bool {
        areas.iter().any(|area| self.area(*area))
    }
}

/// A part of the machine that takes time to look at, and that not every profile needs to know. A file of sysfs takes ten
/// microseconds to read, and a desktop has hundreds of those that tell of its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// PCI functions in every detail, what the host does with them, the IOMMU, and the kernel modules for passing them. Without
    /// it none is known.
    Pci,
    /// Host CPUs: caches, kinds of cores, and the sets that are kept apart.
    Cpus,
    /// How fast host CPUs run, and who decides: four files of each.
    Frequency,
    /// Memory by node and how it is cut up, and transparent huge pages.
    Memory,
    /// Pools of huge pages, four files of each node, and the pieces of free memory that they can be made of.
    HugePages,
    /// USB devices that are plugged in.
    UsbDevices,
    /// USB buses and hubs, with their controllers and devices.
    Usb,
    /// UEFI firmware for guests, by its descriptors.
    Firmware,
    /// Network interfaces and bridges, and what may be done with them.
    Interfaces,
    /// Sound servers.
    Sound,
    /// What the firmware calls the machine.
    Dmi,
    /// Whether QEMU gets an `io_uring`.
    IoUring,
    /// The kernel, its command line and KVM's parameters, and the distribution.
    System,
    /// What people call PCI functions: a database of more than a megabyte.
    Names,
    /// Which processes hold device nodes of PCI functions: a look at every open file of every process.
    Holders,
    /// Where the host's own work may run: interrupts, workers of the kernel, systemd's slices.
    Tuning,
    /// Mediated devices, and the devices whose drivers make them.
    Mdev,
}

impl Area {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Pci,
        Self::Cpus,
        Self::Frequency,
        Self::Memory,
        Self::HugePages,
        Self::UsbDevices,
        Self::Usb,
        Self::Firmware,
        Self::Interfaces,
        Self::Sound,
        Self::Dmi,
        Self::IoUring,
        Self::System,
        Self::Names,
        Self::Holders,
        Self::Tuning,
        Self::Mdev,
    ];
}
