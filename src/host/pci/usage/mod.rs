//! What the host does with a PCI function: disks, network, keyboards, pictures.

mod disk;
mod keyboard;
mod picture;
mod route;

use super::super::{Console, Keyboard, Root};
use super::PciFunction;
use crate::unit::Bdf;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// A thing that the host does with a PCI function, and could no more if a guest had it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Use {
    /// A file system of a disk behind it is mounted.
    Mounted {
        /// Disk or partition, by the kernel's name.
        device: String,
        /// Where.
        at: PathBuf,
    },
    /// A disk behind it takes swapped pages.
    Swap {
        /// Disk or partition, by the kernel's name.
        device: String,
    },
    /// A disk behind it is part of something that is at work.
    Member {
        /// Disk or partition, by the kernel's name.
        device: String,
        /// Of what, like `LUKS luks-root`, `LVM vg-root`, `md0`, `ZFS tank`.
        of: String,
    },
    /// The way out of this machine leads over it.
    DefaultRoute {
        /// The network interface with the route.
        link: String,
    },
    /// A keyboard is behind it.
    Keyboard {
        /// What the keyboard calls itself.
        name: String,
    },
    /// A framebuffer draws on it.
    Framebuffer {
        /// The framebuffer, like `fb0 amdgpudrmfb`, or the firmware's, like `BOOTFB`.
        name: String,
    },
    /// The text console shows on its framebuffer.
    Console {
        /// The virtual console driver, like `vtcon1`.
        name: String,
    },
}

/// For a person.
impl Display for Use {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at } => write!(f, "{device} is mounted at {}", at.display()),
            Self::Swap { device } => write!(f, "{device} takes swapped memory"),
            Self::Member { device, of } => write!(f, "{device} is part of {of}"),
            Self::DefaultRoute { link } => write!(f, "the way out of this host leads over {link}"),
            Self::Keyboard { name } => write!(f, "the keyboard {name} is on it"),
            Self::Framebuffer { name } => write!(f, "{name} draws on it"),
            Self::Console { name } => write!(f, "the text console {name} shows on it"),
        }
    }
}

/// Fills in what the host does with each of `functions`.
pub(super) fn read(root: &Root, keyboards: &[Keyboard], console: &Console, functions: &mut [PciFunction]) {
    let mut found = disk::uses(root);
    found.extend(route::uses(root));
    found.extend(keyboard::uses(keyboards));
    found.extend(picture::uses(console));
    found.sort();
    found.dedup();
    for (bdf, used) in found {
        if let Some(function) = functions.iter_mut().find(|function| function.bdf == bdf) {
            function.uses.push(used);
        }
    }
}

/// Uses by the function that they are of.
type Found = Vec<(Bdf, Use)>;
