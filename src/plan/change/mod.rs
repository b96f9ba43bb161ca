//! One change of the host, whole: what was, and what shall be. What a kind of change is made of stands in its own file.

mod about;
mod bridge;
mod driver;
mod framebuffer;
mod gather;
mod huge_pages;
mod macvtap;
mod masks;
mod mdev;
mod module;
mod owner;
mod rebar;
mod share;
mod slices;
mod unit;
mod verbs;

#[cfg(test)]
mod test;

pub use driver::{Binding, VFIO};
pub use gather::{CONTROL_GROUPS, HOST_GROUP};
pub use masks::CpuMask;
pub use share::{Grant, RESCTRL};
pub use slices::Confinement;
pub use unit::{Test, UnitState};

use super::Command;
use crate::unit::{Bdf, CpuSet, HostAddress, Mac, Size};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A change of the host. Its inverse is a change too, so undo needs no code of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Pages added to (or, negative, taken from) a node's pool of huge pages.
    ///
    /// A delta, since the pool is shared: putting back "the number before" would take pages from a guest that was
    /// started meanwhile. Linux: `Documentation/admin-guide/mm/hugetlbpage.rst`.
    HugePages {
        /// NUMA node.
        node: u32,
        /// Size of one page.
        size: Size,
        /// Pages to add.
        pages: i64,
        /// Pages that the guest needs of the pool; those that are not added are free.
        #[serde(default)]
        take: u64,
        /// Whether the kernel may be told to forget what it has read from disks, to make room.
        #[serde(default)]
        drop_caches: bool,
    },
    /// A systemd unit started or stopped.
    Unit {
        /// Name of the unit, with its suffix.
        unit: String,
        /// Login name of the user whose manager has it; `None` for the system's.
        user: Option<String>,
        /// State before.
        from: UnitState,
        /// State after.
        to: UnitState,
    },
    /// A macvtap device made on an interface, or removed. It outlives its descriptors, as a tap does not.
    Macvtap {
        /// Its name.
        name: String,
        /// The interface it shares.
        parent: String,
        /// Its hardware address, which must be the guest's.
        mac: Mac,
        /// `bridge`, `vepa`, `private` or `passthru`; `ip-link(8)`.
        mode: String,
        /// Its largest packet in bytes; `None` for that of `parent`.
        mtu: Option<u16>,
        /// Whether it was there before.
        from: Presence,
        /// Whether it is there after.
        to: Presence,
    },
    /// A bridge made for guests, or removed with the last of them; where somebody else has a port on it, it stays.
    Bridge {
        /// Its name.
        name: String,
        /// The address that the host has on it.
        address: Option<HostAddress>,
        /// Its largest packet in bytes; `None` for the kernel's own choice.
        mtu: Option<u16>,
        /// Whether it was there before; one that another guest made was not.
        from: Presence,
        /// Whether it is there after.
        to: Presence,
    },
    /// A hook that ran, and the command that takes it back.
    Hook {
        /// Name of the hook.
        name: String,
        /// What is run.
        run: Option<Command>,
        /// What takes it back.
        back: Option<Command>,
    },
    /// A kernel module loaded. It stays when the guest is gone: another guest may use it by then, and it does nothing
    /// by itself.
    Module {
        /// Its name, as modprobe takes it.
        name: String,
        /// Whether it was loaded before.
        from: Presence,
        /// Whether it is loaded after.
        to: Presence,
    },
    /// A mediated device made by the driver of its parent, or taken away.
    Mdev {
        /// Its name on the host.
        uuid: Uuid,
        /// The device whose driver makes it, by its name in `/sys/class/mdev_bus`.
        parent: String,
        /// What is made, a folder in the parent's `mdev_supported_types`.
        kind: String,
        /// Whether it was there before.
        from: Presence,
        /// Whether it is there after.
        to: Presence,
    },
    /// A PCI function moved from one driver to another. One that stays with vfio-pci is only looked at.
    Driver {
        /// Its address.
        bdf: Bdf,
        /// Who had it, and who would get it.
        from: Binding,
        /// Who gets it.
        to: Binding,
    },
    /// A device node handed from one user to another, its group and its mode unchanged. In sysfs the folder `vfio-dev` of
    /// a PCI function stands for its node.
    Owner {
        /// Absolute path.
        path: String,
        /// Id of the owner before, as far as that is known before the node is there.
        from: u32,
        /// Id of the owner after.
        to: u32,
    },
    /// Those who have a PCI function open let go of it, because what they belong to has ended. Nothing brings them back
    /// but the start of that.
    Holders {
        /// The function.
        bdf: Bdf,
        /// Whether there were some before.
        from: Presence,
        /// Whether there are some after.
        to: Presence,
    },
    /// The value of a file in sysfs or procfs that holds one.
    Attribute {
        /// Absolute path.
        path: String,
        /// Value before, without the line's end.
        from: String,
        /// Value after.
        to: String,
    },
    /// The size of a BAR of a function that no driver holds. Linux: `Documentation/ABI/testing/sysfs-bus-pci`,
    /// `resourceN_resize`.
    Rebar {
        /// The function.
        bdf: Bdf,
        /// Number of the BAR.
        bar: u8,
        /// Size before.
        from: Size,
        /// Size after.
        to: Size,
    },
    /// A framebuffer of the firmware, a platform device, given back by its driver or taken by it again.
    Framebuffer {
        /// Its name on the platform bus, like `efi-framebuffer.0`.
        device: String,
        /// The driver.
        driver: String,
        /// Whether the driver had it before.
        from: Presence,
        /// Whether the driver has it after.
        to: Presence,
    },
    /// The value of a file of the kernel that is every guest's. The last guest that wants it so puts it back; one that
    /// finds it so already wants it all the same.
    Shared {
        /// Absolute path.
        path: String,
        /// Value before.
        from: String,
        /// Value after.
        to: String,
    },
    /// Host CPUs taken from the kernel's own work, or given back to it. Of several guests each takes its own, so what is
    /// put back is a difference. What the kernel does not let go of stays where it is.
    Masks {
        /// The host CPUs.
        cpus: CpuSet,
        /// The files.
        masks: Vec<CpuMask>,
    },
    /// Host CPUs taken from the host's processes, or given back to them; a difference like [`Self::Masks`].
    Slices {
        /// The host CPUs.
        cpus: CpuSet,
        /// All host CPUs.
        all: CpuSet,
        /// The units.
        units: Vec<Confinement>,
    },
    /// Host CPUs taken from the host's processes where no systemd runs, or given back to them: those at the root of the
    /// control groups are gathered in a group of their own, and other groups confined; a difference like [`Self::Masks`].
    /// With the last guest that wants it that group goes.
    Gather {
        /// The host CPUs.
        cpus: CpuSet,
        /// All host CPUs.
        all: CpuSet,
        /// The groups, by path; that of the host's processes is one of them.
        groups: Vec<Confinement>,
        /// Whether somebody else confines groups to host CPUs, so that this stays possible afterwards.
        others: Presence,
        /// Whether the host's processes were gathered before.
        from: Presence,
        /// Whether they are after.
        to: Presence,
    },
    /// A control group made, or removed when nobody is in it any more.
    Group {
        /// Its path.
        path: String,
        /// Whether it was there before.
        from: Presence,
        /// Whether it is there after.
        to: Presence,
    },
    /// A group of the kernel's with a share of caches and of the memory's bandwidth, made, or removed and its share given
    /// back; a difference like [`Self::Masks`].
    Share {
        /// Its path.
        group: String,
        /// What it gets, and everybody else gives.
        grants: Vec<Grant>,
        /// Whether it was there before.
        from: Presence,
        /// Whether it is there after.
        to: Presence,
    },
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is there.
    Present,
    /// It is not.
    Absent,
}

impl Change {
    /// The change that takes this one back: `from` and `to` swapped, a delta negated.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::HugePages { node, size, pages, take, drop_caches } => {
                Self::HugePages { node, size, pages: pages.saturating_neg(), take, drop_caches }
            }
            Self::Unit { unit, user, from, to } => Self::Unit { unit, user, from: to, to: from },
            Self::Macvtap { name, parent, mac, mode, mtu, from, to } => {
                Self::Macvtap { name, parent, mac, mode, mtu, from: to, to: from }
            }
            Self::Bridge { name, address, mtu, from, to } => Self::Bridge { name, address, mtu, from: to, to: from },
            Self::Hook { name, run, back } => Self::Hook { name, run: back, back: run },
            Self::Module { name, from, to } => Self::Module { name, from: to, to: from },
            Self::Mdev { uuid, parent, kind, from, to } => Self::Mdev { uuid, parent, kind, from: to, to: from },
            Self::Driver { bdf, from, to } => Self::Driver { bdf, from: to, to: from },
            Self::Owner { path, from, to } => Self::Owner { path, from: to, to: from },
            Self::Holders { bdf, from, to } => Self::Holders { bdf, from: to, to: from },
            Self::Attribute { path, from, to } => Self::Attribute { path, from: to, to: from },
            Self::Rebar { bdf, bar, from, to } => Self::Rebar { bdf, bar, from: to, to: from },
            Self::Framebuffer { device, driver, from, to } => Self::Framebuffer { device, driver, from: to, to: from },
            Self::Shared { path, from, to } => Self::Shared { path, from: to, to: from },
            Self::Masks { cpus, masks } => Self::Masks { cpus, masks: masks::inverse(masks) },
            Self::Slices { cpus, all, units } => Self::Slices { cpus, all, units: slices::inverse(units) },
            Self::Gather { cpus, all, groups, others, from, to } => {
                Self::Gather { cpus, all, groups: slices::inverse(groups), others, from: to, to: from }
            }
            Self::Group { path, from, to } => Self::Group { path, from: to, to: from },
            Self::Share { group, grants, from, to } => {
                Self::Share { group, grants: share::inverse(grants), from: to, to: from }
            }
        }
    }

    /// The same, but not for good: what takes it back when it could not be made whole.
    #[must_use]
    pub fn for_now(&self) -> Self {
        match self.clone() {
            Self::Driver { bdf, from, to } => Self::Driver { bdf, from, to: Binding { stays: false, ..to } },
            other => other,
        }
    }
}
