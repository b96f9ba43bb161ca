//! What a change takes.

use super::{Change, Presence};
use super::{
    bridge, driver, framebuffer, gather, huge_pages, macvtap, masks, mdev, module, owner, rebar, share, slices, unit,
};
use crate::plan::Step;

impl Change {
    /// The kernel verbs that make the change. Performed again, or after some of them were, they end in the same state.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        match self {
            Self::HugePages { node, size, pages, .. } => huge_pages::steps(*node, *size, *pages),
            Self::Unit { unit, user, from: _, to } => unit::steps(unit, user.as_deref(), *to),
            Self::Macvtap { name, parent, mac, mode, mtu, from: _, to } => match to {
                Presence::Present => vec![macvtap::add(name, parent, *mac, mode, *mtu)],
                Presence::Absent => vec![macvtap::remove(name)],
            },
            Self::Bridge { name, address, mtu, from: _, to } => bridge::steps(name, *address, *mtu, *to),
            Self::Hook { name: _, run, back: _ } => run.iter().cloned().map(Step::Run).collect(),
            Self::Module { name, from: _, to } => module::steps(name, *to),
            Self::Mdev { uuid, parent, kind, from: _, to } => mdev::steps(*uuid, parent, kind, *to),
            Self::Driver { bdf, from, to } => driver::steps(*bdf, from, to),
            Self::Owner { path, from, to } => owner::steps(path, *from, *to),
            Self::Holders { bdf, from: _, to } => match to {
                Presence::Present => Vec::new(),
                Presence::Absent => vec![Step::AwaitClosed(*bdf)],
            },
            Self::Attribute { path, from, to } | Self::Shared { path, from, to } => {
                vec![Step::Write { path: path.clone(), was: from.clone(), value: to.clone() }]
            }
            Self::Rebar { bdf, bar, from, to } => rebar::steps(*bdf, *bar, *from, *to),
            Self::Framebuffer { device, driver, from: _, to } => framebuffer::steps(device, driver, *to),
            Self::Masks { cpus, masks } => masks::steps(cpus, masks),
            Self::Slices { cpus, all, units } => slices::steps(cpus, all, units),
            Self::Gather { cpus, all, groups, others, from: _, to } => gather::steps(cpus, all, groups, *others, *to),
            Self::Group { path, from: _, to } => gather::group(path, *to),
            Self::Share { group, grants, from: _, to } => share::steps(group, grants, *to),
        }
    }
}
