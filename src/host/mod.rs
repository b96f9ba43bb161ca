//! Floor 1: facts about the machine, read once, below one root, into plain data that can be serialised.

mod activity;
mod boot;
mod caller;
mod closer;
mod console;
mod core_scheduling;
mod cpu;
mod disc;
mod dmi;
mod firmware;
mod firmware_paths;
mod free_blocks;
mod image;
mod iommu;
mod keyboard;
mod known_address;
mod kvm;
mod locked_memory;
mod look_up;
mod mappings;
mod mediated;
mod memory;
mod module;
mod neighbour;
mod net;
mod node;
mod path;
mod pci;
mod program;
mod qemu;
mod reach;
mod real_time;
mod resctrl;
mod rom;
mod root;
mod sound;
mod system;
mod thread;
mod transparent_huge;
mod trust;
mod tuning;
mod usb;
mod user;
mod vfio;
mod virtiofsd;
mod wants;

#[cfg(test)]
pub(crate) mod tree;

pub use activity::{Interrupt, Ran, interrupts, mhz, ran};
pub use boot::{Boot, BootImage};
pub use caller::Caller;
pub use console::{Console, Framebuffer, VtConsole};
pub use core_scheduling::{CoreScheduling, core_cookie};
pub use cpu::{Cache, CoreKind, Cpu, CpuSets, Frequency};
pub use disc::{Disc, DiscKind};
pub use firmware::Firmware;
pub use free_blocks::FreeBlocks;
pub use image::{Boots, Holder, Image};
pub use iommu::Iommu;
pub use keyboard::Keyboard;
pub use known_address::{KnownAddress, known_addresses};
pub use kvm::Kvm;
pub use locked_memory::LockedMemory;
pub use mappings::{Backed, mappings};
pub use mediated::{Mdev, MdevParent, MdevType, Mediated};
pub use module::Module;
pub use neighbour::Neighbour;
pub use net::{Access, Link, NetRights, TapDevice};
pub use node::{Node, Pool};
pub use path::PathFact;
pub use pci::{Bar, Connector, Msi, PciFunction, PciHolder, PciIds, PciLink, PciNames, SrIov, TELLS_OF, Use, msi};
pub use qemu::{Abilities, CPU, DESCRIBED, MachineModel, Names, PC, Qemu};
pub use reach::{Account, Barred, Bars};
pub use resctrl::{Bandwidth, Resctrl, Shares, Ways};
pub use root::Root;
pub use system::System;
pub use thread::{ThreadFact, thread, threads};
pub use transparent_huge::TransparentHuge;
pub use trust::{Stranger, stranger};
pub use tuning::{Irq, Tuning};
pub use usb::{UsbBus, UsbDevice, read as usb_devices};
pub use user::User;
pub use virtiofsd::Virtiofsd;
pub use wants::{Area, Wants};

use crate::unit::{NoRom, OptionRom, Size};
use cpu::Processor;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What the machine is now. `vmrun host --dump` prints it; tests load it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Host CPUs that are online, by number.
    pub cpus: Vec<Cpu>,
    /// What the processor calls itself; [`Area::Cpus`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<String>,
    /// Bits of a physical address, `address sizes` in `/proc/cpuinfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_bits: Option<u8>,
    /// Who made the processor, by `vendor_id` in `/proc/cpuinfo`, like `AuthenticAMD`; `None` in older dumps, which did
    /// not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_vendor: Option<String>,
    /// The cache of the last level of each CPU; all from the second level on in older dumps. [`Area::Cpus`], as the next three.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// Sets of host CPUs that are kept apart.
    #[serde(default, skip_serializing_if = "CpuSets::is_default")]
    pub cpu_sets: CpuSets,
    /// Whether strangers can be kept off a core's sibling threads; `None` in older dumps, which did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_scheduling: Option<CoreScheduling>,
    /// Percent of the time for which the kernel lets a busy real-time thread run; `None` for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_time_percent: Option<u8>,
    /// What sets frequencies; `None` on a machine where nothing does. [`Area::Frequency`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// NUMA nodes, by number; one, number 0, on a machine without NUMA.
    pub nodes: Vec<Node>,
    /// All memory, from `MemTotal` of `/proc/meminfo`; `None` in older dumps, which did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total: Option<Size>,
    /// Memory that can be had without swapping, from `MemAvailable` of `/proc/meminfo`.
    pub memory_available: Option<Size>,
    /// In which pieces the free memory lies; [`Area::HugePages`]. Empty in older dumps, which did not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub free_blocks: Vec<FreeBlocks>,
    /// How the kernel makes huge pages of its own accord; [`Area::Memory`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transparent_huge: Option<TransparentHuge>,
    /// How much memory QEMU may lock; `None` in older dumps, which did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_memory: Option<LockedMemory>,
    /// PCI functions, by address; [`Area::Pci`].
    pub pci: Vec<PciFunction>,
    /// What the IOMMU is and keeps for itself; [`Area::Pci`].
    #[serde(default, skip_serializing_if = "Iommu::is_default")]
    pub iommu: Iommu,
    /// Whether the kernel has `/dev/iommu`, the newer way to VFIO; [`Area::Pci`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub iommufd: bool,
    /// Nodes of VFIO and of iommufd that vmrun's user may not open; [`Area::Pci`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub vfio_denied: BTreeSet<PathBuf>,
    /// The kernel modules that passing devices and virtual machines need, by name; [`Area::Pci`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, Module>,
    /// Mediated devices and what makes them; [`Area::Mdev`].
    #[serde(default, skip_serializing_if = "Mediated::is_empty")]
    pub mediated: Mediated,
    /// What shows the text console; [`Area::Pci`].
    #[serde(default, skip_serializing_if = "Console::is_default")]
    pub console: Console,
    /// Keyboards of all kinds; [`Area::Pci`] and [`Area::Usb`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyboards: Vec<Keyboard>,
    /// USB buses by number; [`Area::Usb`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usb_buses: Vec<UsbBus>,
    /// USB devices that are plugged in, by port; [`Area::UsbDevices`] and [`Area::Usb`].
    #[serde(default)]
    pub usb: Vec<UsbDevice>,
    /// What the firmware calls the machine, by the names in `/sys/class/dmi/id`, without serial numbers; [`Area::Dmi`].
    #[serde(default)]
    pub dmi: BTreeMap<String, String>,
    /// Sockets of the sound servers that run for QEMU's user, else for the invoker, else for vmrun's own user;
    /// [`Area::Sound`].
    #[serde(default)]
    pub sound: Vec<PathBuf>,
    /// Names of network bridges, from `/sys/class/net/*/bridge`; [`Area::Interfaces`], as the next one and what may be done with them.
    pub bridges: Vec<String>,
    /// Network interfaces, by name; empty in older dumps, which did not tell.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Whether QEMU gets an `io_uring` from the kernel; not in older dumps, which did not tell; [`Area::IoUring`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub io_uring: bool,
    /// What may be done with network interfaces; everything in older dumps, which did not tell.
    #[serde(default = "NetRights::all")]
    pub net: NetRights,
    /// The kernel and the distribution; [`Area::System`].
    #[serde(default, skip_serializing_if = "System::is_default")]
    pub system: System,
    /// Other guests that run; as far as [`Wants::run`] asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<Neighbour>,
    /// Where the host's own work may run; [`Area::Tuning`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// State of KVM.
    pub kvm: Kvm,
    /// Whether systemd runs as process 1, from `/run/systemd/system`; `sd_booted(3)`.
    pub systemd: bool,
    /// Accounts from `/etc/passwd`, as far as a profile may name them.
    pub users: Vec<User>,
    /// The account that [`Wants::user`] names; `None` when there is none, or none is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// What keeps the user that QEMU runs as from what it has to open; as far as [`Host::bar`] has looked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub barred: BTreeMap<PathBuf, Bars>,
    /// Firmware found by its descriptors, in order of precedence; [`Area::Firmware`].
    pub firmware: Vec<Firmware>,
    /// Effective user that vmrun runs as.
    pub euid: u32,
    /// The user behind `sudo` or `pkexec`; `None` when vmrun was started directly.
    pub invoker: Option<u32>,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The QEMU that the profile names, or the one in `PATH`; `None` when there is none.
    pub qemu: Option<Qemu>,
    /// Facts about the paths that the profile names, and the images of the firmware.
    pub paths: BTreeMap<PathBuf, PathFact>,
    /// Facts about the disk images among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<PathBuf, Image>,
    /// The option ROMs among them, or why a file is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roms: BTreeMap<PathBuf, Result<OptionRom, NoRom>>,
    /// The virtiofsd that shares would run; `None` when there is none, or no share wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtiofsd: Option<Virtiofsd>,
}

impl Host {
    /// Reads the facts below `root`, for the caller that this process has.
    ///
    /// It cannot fail: a fact that is not there is absent from the result, and whoever needs it refuses with its own
    /// reason. Nothing on the host is changed but one cache file; see [`Host::read_for`].
    #[must_use]
    pub fn read(root: &Root, wants: &Wants) -> Self {
        Self::read_for(root, &Caller::current(), wants)
    }

    /// Reads the facts below `root` for `caller`.
    ///
    /// A QEMU that was not seen before is asked once what it can do; the answer is kept in `vmrun/qemu` below the
    /// caller's cache folder, so that the next start runs no process for it.
    #[must_use]
    pub fn read_for(root: &Root, caller: &Caller, wants: &Wants) -> Self {
        let online = cpu::online(root);
        let nodes = node::read(root, &online);
        let processor = Processor::read(root);
        let account = wants.user.as_ref().and_then(|(login, group)| Account::find(root, login, group.as_deref()));
        let mut host = Self {
            cpus: cpu::read(root, &online, &nodes),
            cpu_vendor: processor.vendor.clone(),
            address_bits: processor.address_bits,
            nodes,
            memory_total: memory::total(root),
            memory_available: memory::available(root),
            locked_memory: locked_memory::read(root),
            kvm: kvm::read(root, &processor.flags),
            systemd: root.exists("/run/systemd/system"),
            users: user::read(root),
            account,
            euid: caller.euid,
            invoker: caller.invoker,
            boot_id: root.text("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
            qemu: qemu::read(root, caller, wants.qemu.as_deref()),
            paths: wants.paths.iter().map(|path| (path.clone(), path::read(root, path))).collect(),
            images: wants.images.iter().filter_map(|path| Some((path.clone(), image::read(root, path)?))).collect(),
            roms: wants.roms.iter().filter_map(|path| Some((path.clone(), rom::read(root, path)?))).collect(),
            virtiofsd: virtiofsd::read(root, &wants.virtiofsd),
            ..Self::default()
        };
        host.look_around(root, caller, wants);
        host.look_closer(root, &processor, wants);
        host
    }
}

#[cfg(test)]
mod test;
