//! What a change is about.

use super::{Change, Test, unit};
use crate::unit::Bdf;

impl Change {
    /// The PCI function that it moves or alters as its owner.
    #[must_use]
    pub fn device(&self) -> Option<Bdf> {
        match self {
            Self::Driver { bdf, .. } | Self::Rebar { bdf, .. } => Some(*bdf),
            Self::HugePages { .. }
            | Self::Unit { .. }
            | Self::Macvtap { .. }
            | Self::Bridge { .. }
            | Self::Hook { .. }
            | Self::Module { .. }
            | Self::Mdev { .. }
            | Self::Owner { .. }
            | Self::Holders { .. }
            | Self::Attribute { .. }
            | Self::Framebuffer { .. }
            | Self::Shared { .. }
            | Self::Masks { .. }
            | Self::Slices { .. }
            | Self::Gather { .. }
            | Self::Group { .. }
            | Self::Share { .. } => None,
        }
    }

    /// The PCI function that it touches.
    #[must_use]
    pub fn touches(&self) -> Option<Bdf> {
        let of_path = |path: &str| path.strip_prefix("/sys/bus/pci/devices/")?.split('/').next()?.parse().ok();
        match self {
            Self::Attribute { path, .. } | Self::Shared { path, .. } => of_path(path),
            other => other.device(),
        }
    }

    /// The PCI function that it is a matter of alone, so that other functions can be seen to meanwhile.
    pub(in crate::plan) fn confined(&self) -> Option<Bdf> {
        match self {
            Self::Driver { .. } | Self::Rebar { .. } | Self::Attribute { .. } => self.touches(),
            _ => None,
        }
    }

    /// Whether it is about the PCI function `bdf` alone: its driver, what its files in sysfs say, who has it open.
    #[must_use]
    pub fn concerns(&self, bdf: Bdf) -> bool {
        let its_holders = matches!(self, Self::Holders { bdf: own, .. } if *own == bdf);
        let folder = format!("/sys/bus/pci/devices/{bdf}/");
        let its_file = matches!(self, Self::Attribute { path, .. } if path.starts_with(&folder));
        self.device() == Some(bdf) || its_holders || its_file
    }

    /// How to find out that the host already is as `to` says; then there is nothing to change, nor to undo. `None` where
    /// the steps see it themselves.
    #[must_use]
    pub fn already(&self) -> Option<Test> {
        match self {
            Self::Unit { unit, user, from: _, to } => Some(unit::test(unit, user.as_deref(), *to)),
            Self::HugePages { .. }
            | Self::Macvtap { .. }
            | Self::Bridge { .. }
            | Self::Hook { .. }
            | Self::Module { .. }
            | Self::Mdev { .. }
            | Self::Driver { .. }
            | Self::Owner { .. }
            | Self::Holders { .. }
            | Self::Attribute { .. }
            | Self::Rebar { .. }
            | Self::Framebuffer { .. }
            | Self::Shared { .. }
            | Self::Masks { .. }
            | Self::Slices { .. }
            | Self::Gather { .. }
            | Self::Group { .. }
            | Self::Share { .. } => None,
        }
    }
}
