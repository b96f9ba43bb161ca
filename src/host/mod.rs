//! Floor 1: facts about the machine, read once, below one root, into plain data that can be serialised.

mod caller;
mod cpu;
mod dmi;
mod firmware;
mod firmware_paths;
mod image;
mod kvm;
mod locked_memory;
mod memory;
mod net;
mod node;
mod path;
mod pci;
mod program;
mod qemu;
mod root;
mod sound;
mod usb;
mod user;
mod virtiofsd;

#[cfg(test)]
mod tree;

pub use caller::Caller;
pub use image::{Holder, Image};
pub use locked_memory::LockedMemory;
pub use qemu::{Abilities, CPU, DESCRIBED, MachineModel, PC, Qemu};
pub use root::Root;
pub use virtiofsd::Virtiofsd;

use crate::unit::{Bdf, CpuSet, Size, UsbId, UsbPort};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the machine is now. `vmrun host --dump` prints it; tests load it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Host CPUs that are online, by number.
    pub cpus: Vec<Cpu>,
    /// NUMA nodes, by number; one, number 0, on a machine without NUMA.
    pub nodes: Vec<Node>,
    /// Memory that can be had without swapping, from `MemAvailable` of `/proc/meminfo`.
    pub memory_available: Option<Size>,
    /// How much memory QEMU may lock; `None` in older dumps, which did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_memory: Option<LockedMemory>,
    /// PCI functions, by address.
    pub pci: Vec<PciFunction>,
    /// USB devices that are plugged in, by port.
    #[serde(default)]
    pub usb: Vec<UsbDevice>,
    /// What the firmware calls the machine, by the names in `/sys/class/dmi/id`, without serial numbers.
    #[serde(default)]
    pub dmi: BTreeMap<String, String>,
    /// Sockets of the sound servers that run for the invoker, or for vmrun's own user.
    #[serde(default)]
    pub sound: Vec<PathBuf>,
    /// Names of network bridges, from `/sys/class/net/*/bridge`.
    pub bridges: Vec<String>,
    /// Network interfaces, by name; empty in older dumps, which did not tell.
    #[serde(default)]
    pub links: Vec<Link>,
    /// What may be done with network interfaces; everything in older dumps, which did not tell.
    #[serde(default = "NetRights::all")]
    pub net: NetRights,
    /// State of KVM.
    pub kvm: Kvm,
    /// Whether systemd runs as process 1, from `/run/systemd/system`; `sd_booted(3)`.
    pub systemd: bool,
    /// Accounts from `/etc/passwd`, as far as a profile may name them.
    pub users: Vec<User>,
    /// Firmware found by its descriptors, in order of precedence.
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
    /// The virtiofsd that shares would run; `None` when there is none, or no share wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtiofsd: Option<Virtiofsd>,
}

/// What a profile wants to know of the host beyond what is always read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The QEMU that the profile names: a path, or a name to look for in `PATH`.
    pub qemu: Option<PathBuf>,
    /// Paths that the profile names: images, folders, scripts, programs.
    pub paths: Vec<PathBuf>,
    /// Disk images among them.
    pub images: Vec<PathBuf>,
    /// Places where virtiofsd may be, best first; empty when no share wants it.
    pub virtiofsd: Vec<PathBuf>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its largest packet in bytes.
    pub mtu: u32,
    /// Whether the administrator has it up.
    pub up: bool,
    /// Whether it is a wireless one, which carries no hardware address but its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wireless: bool,
    /// What it is as a tap device; `None` when it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap: Option<TapDevice>,
}

/// A tap device that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapDevice {
    /// User id of who may open it without further rights; `None` when it belongs to nobody.
    pub owner: Option<u32>,
    /// Whether it was made for several queues.
    pub multi_queue: bool,
    /// Whether somebody has its one queue.
    pub busy: bool,
}

/// What may be done with network interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetRights {
    /// Whether vmrun may make and change them: `CAP_NET_ADMIN`, from `/proc/self/status`.
    pub admin: bool,
    /// `/dev/net/tun`, which makes tap devices.
    pub tun: Access,
    /// `/dev/vhost-net`, by which the kernel moves a guest's packets.
    pub vhost: Access,
}

impl NetRights {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self { admin: true, tun: Access::Granted, vhost: Access::Granted }
    }
}

/// Whether a device node can be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// This user may read and write it.
    Granted,
    /// It is there and this user may not.
    Denied,
    /// It is not there.
    #[default]
    Absent,
}

/// A host CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// The kernel's number.
    pub id: u32,
    /// `topology/core_id`; repeats across packages.
    pub core: u32,
    /// `topology/physical_package_id`.
    pub package: u32,
    /// NUMA node.
    pub node: u32,
    /// Sibling threads of its core, itself included, from `topology/thread_siblings_list`.
    pub siblings: CpuSet,
}

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The kernel's number.
    pub id: u32,
    /// Its host CPUs.
    pub cpus: CpuSet,
    /// Its pools of huge pages.
    pub pools: Vec<Pool>,
}

/// A pool of huge pages of one size on one NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Size of a page.
    pub size: Size,
    /// Pages in the pool, `nr_hugepages`.
    pub total: u64,
    /// Of them unused, `free_hugepages`.
    pub free: u64,
}

/// A PCI function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PciFunction {
    /// Its address.
    pub bdf: Bdf,
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Class code, 24 bits, like `0x030000` for a VGA controller.
    pub class: u32,
    /// Driver that holds it; `None` when none does.
    pub driver: Option<String>,
    /// Its IOMMU group; `None` when the kernel made none: the IOMMU is off or not present.
    pub iommu_group: Option<u32>,
}

/// A USB device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsbDevice {
    /// Where it is plugged in.
    pub port: UsbPort,
    /// Vendor and product id.
    pub id: UsbId,
    /// Its serial number; `None` for the many that have none.
    pub serial: Option<String>,
    /// What it calls itself.
    pub product: Option<String>,
    /// Whether it is a keyboard.
    pub keyboard: bool,
}

/// State of KVM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kvm {
    /// `/dev/kvm` can be opened and the host CPU has VMX or SVM.
    Usable,
    /// `/dev/kvm` can be opened, but the host CPU shows neither VMX nor SVM: a paravirtual stand-in, slow and without
    /// Hyper-V enlightenments.
    Standin,
    /// `/dev/kvm` is there and this user may not open it.
    Denied,
    /// There is no `/dev/kvm`.
    #[default]
    Absent,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Home folder.
    pub home: PathBuf,
}

/// A firmware for guests, from a descriptor file; QEMU: `docs/interop/firmware.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firmware {
    /// The code image.
    pub code: PathBuf,
    /// Format of both images: `raw` or `qcow2`.
    pub format: String,
    /// The template of the variable store; `None` for firmware in one image.
    pub vars: Option<PathBuf>,
    /// Features by their names in the descriptor, like `secure-boot`.
    pub features: Vec<String>,
    /// Machine patterns it is for, like `pc-q35-*`.
    pub machines: Vec<String>,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PathFact {
    /// Nothing.
    Missing,
    /// A regular file of `size` bytes.
    File {
        /// Its length.
        size: u64,
        /// Whether vmrun's user may execute it.
        executable: bool,
    },
    /// A folder, with the paths of the regular files below it, sorted.
    Folder {
        /// Files below, relative to it; executables only.
        files: Vec<PathBuf>,
    },
    /// A block device.
    Block,
    /// A socket, a pipe or a character device.
    Other,
    /// It cannot be looked at, with the reason.
    Unreadable(String),
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
    /// A QEMU that was not seen before is asked once what it can do; the answer is kept in `vmrun/qemu.json` below the
    /// caller's cache folder, so that the next start runs no process for it.
    #[must_use]
    pub fn read_for(root: &Root, caller: &Caller, wants: &Wants) -> Self {
        let online = cpu::online(root);
        let nodes = node::read(root, &online);
        let firmware = firmware::read(root, caller);
        // Their sizes are held against those of the guests' own stores.
        let images = firmware.iter().flat_map(|found| std::iter::once(&found.code).chain(&found.vars));
        let paths: BTreeMap<_, _> =
            wants.paths.iter().chain(images).map(|path| (path.clone(), path::read(root, path))).collect();
        Self {
            cpus: cpu::read(root, &online, &nodes),
            nodes,
            memory_available: memory::available(root),
            locked_memory: locked_memory::read(root),
            pci: pci::read(root),
            usb: usb::read(root),
            dmi: dmi::read(root),
            sound: sound::servers(root, caller.invoker.unwrap_or(caller.euid)),
            bridges: net::bridges(root),
            links: net::links(root),
            net: net::rights(root, caller.euid),
            kvm: kvm::read(root),
            systemd: root.exists("/run/systemd/system"),
            users: user::read(root),
            firmware,
            euid: caller.euid,
            invoker: caller.invoker,
            boot_id: root.text("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
            qemu: qemu::read(root, caller, wants.qemu.as_deref()),
            paths,
            images: wants.images.iter().filter_map(|path| Some((path.clone(), image::read(root, path)?))).collect(),
            virtiofsd: virtiofsd::read(root, &wants.virtiofsd),
        }
    }

    /// The host CPU with the kernel's number `id`.
    #[must_use]
    pub fn cpu(&self, id: u32) -> Option<&Cpu> {
        self.cpus.iter().find(|cpu| cpu.id == id)
    }

    /// All host CPUs that are online.
    #[must_use]
    pub fn online(&self) -> CpuSet {
        self.cpus.iter().map(|cpu| cpu.id).collect()
    }

    /// The PCI function at `bdf`.
    #[must_use]
    pub fn function(&self, bdf: Bdf) -> Option<&PciFunction> {
        self.pci.iter().find(|function| function.bdf == bdf)
    }

    /// The account with login name `name`.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The network interface `name`.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// What stands at `path`; [`PathFact::Missing`] for a path that was not asked for.
    #[must_use]
    pub fn path(&self, path: &std::path::Path) -> &PathFact {
        self.paths.get(path).unwrap_or(&PathFact::Missing)
    }
}

#[cfg(test)]
mod test;
