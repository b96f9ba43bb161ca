//! The emulated hosts there are, one for each kind of machine that people pass devices on.

use super::layout::{Init, Layout};

/// All of them, for a person who picks one by name.
pub(crate) const ALL: &[&Layout] = &[
    &Layout::KVM,
    &Layout::GPU,
    &Layout::TWIN_GPU,
    &Layout::SINGLE_GPU,
    &Layout::SHARED_GROUP,
    &Layout::NO_RESET,
    &Layout::USB,
    &Layout::NVME,
    &Layout::NUMA_HT,
    &Layout::VF,
    &Layout::SYSTEMD,
];

impl Layout {
    /// Two cores with two sibling threads each, an IOMMU, KVM, memory for huge pages.
    pub(crate) const KVM: Self = Self {
        name: "kvm",
        emulator: "VMRUN_TEST_QEMU_7_2",
        sockets: 1,
        cores: 2,
        threads: 2,
        nodes: &[2048],
        disks: &[],
        devices: &[],
        modules: &["kvm-amd"],
        prepare: "",
        init: Init::Agent,
        frequencies: false,
    };

    /// A graphics card that a host keeps for its own picture, `0000:00:08.0`; no driver is loaded for it.
    const PICTURE: &str = "cirrus-vga,bus=pcie.0,addr=0x8,romfile=";

    /// [`KVM`](Self::KVM) and a graphics card with its HDMI audio: `0000:01:00.0` on bochs-drm and `0000:01:00.1` on
    /// `snd_hda_intel`, functions of one slot behind a root port and so in one IOMMU group. The card's option ROM is one of
    /// a network card, so that no firmware runs it.
    pub(crate) const GPU: Self = Self {
        name: "gpu",
        devices: &[
            Self::PICTURE,
            "pcie-root-port,id=gpu,chassis=1,slot=1",
            "secondary-vga,bus=gpu,addr=0.0,multifunction=on,romfile=efi-e1000.rom",
            "ich9-intel-hda,bus=gpu,addr=0.1",
        ],
        modules: &["kvm-amd", "bochs", "snd-hda-intel", "vfio-pci"],
        ..Self::KVM
    };

    /// Two cards of one vendor and device id, `0000:01:00` and `0000:02:00`, each with its audio and in a group of its own,
    /// beside the one for the host's picture.
    pub(crate) const TWIN_GPU: Self = Self {
        name: "twin-gpu",
        devices: &[
            Self::PICTURE,
            "pcie-root-port,id=first,chassis=1,slot=1",
            "secondary-vga,bus=first,addr=0.0,multifunction=on",
            "ich9-intel-hda,bus=first,addr=0.1",
            "pcie-root-port,id=second,chassis=2,slot=2",
            "secondary-vga,bus=second,addr=0.0,multifunction=on",
            "ich9-intel-hda,bus=second,addr=0.1",
        ],
        ..Self::GPU
    };

    /// The only card, `0000:01:00.0`, is the one the firmware started: its framebuffer carries the kernel's console.
    pub(crate) const SINGLE_GPU: Self = Self {
        name: "single-gpu",
        devices: &[
            "pcie-root-port,id=gpu,chassis=1,slot=1",
            "VGA,bus=gpu,addr=0.0,multifunction=on",
            "ich9-intel-hda,bus=gpu,addr=0.1",
        ],
        ..Self::GPU
    };

    /// A card and its audio, `0000:01:00`, whose root port isolates nothing from its neighbour with the network card
    /// `0000:02:00.0`: both ports, the card, its audio and the network card are one group.
    pub(crate) const SHARED_GROUP: Self = Self {
        name: "shared-group",
        devices: &[
            Self::PICTURE,
            "pcie-root-port,id=gpu,chassis=1,slot=1,addr=0x10.0,multifunction=on,disable-acs=on",
            "pcie-root-port,id=net,chassis=2,slot=2,addr=0x10.1,disable-acs=on",
            "secondary-vga,bus=gpu,addr=0.0,multifunction=on",
            "ich9-intel-hda,bus=gpu,addr=0.1",
            "e1000e,bus=net",
        ],
        modules: &["kvm-amd", "bochs", "snd-hda-intel", "e1000e", "vfio-pci"],
        ..Self::KVM
    };

    /// A card on the root complex itself, `0000:00:10.0`, which the kernel has no way to reset.
    pub(crate) const NO_RESET: Self =
        Self { name: "no-reset", devices: &[Self::PICTURE, "secondary-vga,bus=pcie.0,addr=0x10"], ..Self::GPU };

    /// Two USB controllers: `0000:01:00.0` with a serial adapter ([`WHEEL`](Self::WHEEL)) and a stick in it,
    /// `0000:02:00.0` with the only keyboard.
    pub(crate) const USB: Self = Self {
        name: "usb",
        disks: &["stick"],
        devices: &[
            "pcie-root-port,id=first,chassis=1,slot=1",
            "qemu-xhci,id=free,bus=first",
            "pcie-root-port,id=second,chassis=2,slot=2",
            "qemu-xhci,id=busy,bus=second",
            Self::WHEEL,
            "usb-storage,id=stick,bus=free.0,port=2,drive=stick,serial=VMRUN1",
            "usb-kbd,id=keyboard,bus=busy.0,port=1",
        ],
        modules: &["kvm-amd", "xhci-pci", "usb-storage", "sd_mod", "usbhid", "hid-generic", "evdev", "ftdi_sio", "vfio-pci"],
        // They are found one after the other while the modules are loaded.
        prepare: "for wait in $(seq 100); do
                      [ -e /dev/ttyUSB0 ] && [ -e /dev/sda ] && readlink -f /sys/class/input/*/device | grep -q /usb && exit
                      sleep 0.1
                  done; exit 1",
        ..Self::KVM
    };

    /// The serial adapter of [`USB`](Self::USB), `0403:6001`, to pull out by its id `wheel` and to put back.
    pub(crate) const WHEEL: &str = "usb-serial,id=wheel,bus=free.0,port=1,chardev=nothing,always-plugged=on";

    /// Two NVMe disks: `0000:01:00.0` is mounted at `/mnt`, `0000:02:00.0` is free.
    pub(crate) const NVME: Self = Self {
        name: "nvme",
        disks: &["mounted", "free"],
        devices: &[
            "pcie-root-port,id=first,chassis=1,slot=1",
            "nvme,bus=first,drive=mounted,serial=VMRUNMOUNTED",
            "pcie-root-port,id=second,chassis=2,slot=2",
            "nvme,bus=second,drive=free,serial=VMRUNFREE",
        ],
        modules: &["kvm-amd", "nvme", "ext4", "vfio-pci"],
        prepare: "disk=$(basename /sys/bus/pci/devices/0000:01:00.0/nvme/nvme?)n1
                  mkfs.ext2 -q /dev/$disk && mount /dev/$disk /mnt",
        ..Self::KVM
    };

    /// Two sockets with a NUMA node each, two cores of two threads in each: host CPUs 0-3 and 4-7. The card with its
    /// audio, `0000:81:00`, is attached to node 1.
    pub(crate) const NUMA_HT: Self = Self {
        name: "numa-ht",
        sockets: 2,
        nodes: &[1536, 1536],
        devices: &[
            Self::PICTURE,
            "pxb-pcie,id=far,bus=pcie.0,bus_nr=0x80,numa_node=1",
            "pcie-root-port,id=gpu,bus=far,chassis=1,slot=1",
            "secondary-vga,bus=gpu,addr=0.0,multifunction=on",
            "ich9-intel-hda,bus=gpu,addr=0.1",
        ],
        ..Self::GPU
    };

    /// A network card that makes virtual functions, `0000:01:00.0`. Newer QEMU only.
    pub(crate) const VF: Self = Self {
        name: "vf",
        emulator: "VMRUN_TEST_QEMU_10_0",
        devices: &["pcie-root-port,id=net,chassis=1,slot=1", "igb,bus=net"],
        modules: &["kvm-amd", "igb", "vfio-pci"],
        ..Self::KVM
    };

    /// A desktop's software: systemd is the first process, with D-Bus, logind and the unified cgroup tree. Two sockets
    /// with a node each and one core of two threads, which share frequency and governor; a card on bochs-drm,
    /// `0000:01:00.0`.
    pub(crate) const SYSTEMD: Self = Self {
        name: "systemd",
        sockets: 2,
        cores: 1,
        nodes: &[1024, 1024],
        devices: &[Self::PICTURE, "pcie-root-port,id=gpu,chassis=1,slot=1", "secondary-vga,bus=gpu"],
        modules: &[
            "kvm-amd",
            "bochs",
            "vfio-pci",
            "acpi-cpufreq",
            "cpufreq_ondemand",
            "cpufreq_powersave",
            "cpufreq_userspace",
        ],
        init: Init::Systemd,
        frequencies: true,
        ..Self::KVM
    };
}
