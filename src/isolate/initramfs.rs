//! The initramfs image, in which vfio-pci must be loaded before the drivers of graphics cards are.

use super::modprobe::Form;
use super::{Draft, Request, booster, dracut, initramfs_tools, mkinitcpio};
use crate::host::Boot;
use crate::plan::{Class, Problem};

/// Modules that are loaded; their dependencies come by themselves, and `vfio_virqfd` is gone since Linux 6.2.
pub(super) const MODULES: [&str; 2] = ["vfio_pci", "vfio_iommu_type1"];

/// What makes the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Arch Linux.
    Mkinitcpio,
    /// Fedora, openSUSE, and more.
    Dracut,
    /// Debian, Ubuntu, Pop!_OS.
    InitramfsTools,
    /// Arch Linux, by choice.
    Booster,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mkinitcpio, Self::Dracut, Self::InitramfsTools, Self::Booster];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mkinitcpio => "mkinitcpio",
            Self::Dracut => "dracut",
            Self::InitramfsTools => "initramfs-tools",
            Self::Booster => "booster",
        }
    }

    fn is_here(self, boot: &Boot) -> bool {
        match self {
            Self::Mkinitcpio => boot.runs("mkinitcpio"),
            Self::Dracut => boot.runs("dracut"),
            // Debian's dracut has a program of that name too.
            Self::InitramfsTools => boot.runs("update-initramfs") && boot.has("/etc/initramfs-tools/initramfs.conf"),
            Self::Booster => boot.runs("booster"),
        }
    }
}

pub(super) fn write(form: Form, boot: &Boot, request: &Request, draft: &mut Draft) {
    let here: Vec<_> = Tool::ALL.into_iter().filter(|tool| tool.is_here(boot)).collect();
    let tool = match (request.initramfs, here.as_slice()) {
        (Some(tool), _) | (None, &[tool]) => tool,
        (None, []) => {
            let what = "nothing that makes initramfs images is found here";
            draft.note(
                Problem::new(Class::Missing, "", what)
                    .why("a driver in the image may take the card before the root file system is there")
                    .fix("make the image load vfio_pci first, and hold the files above"),
            );
            return;
        }
        (None, several) => {
            let names: Vec<_> = several.iter().map(|tool| tool.name()).collect();
            draft.refuse(
                Problem::new(
                    Class::Invalid,
                    "",
                    format!("several programs make initramfs images here: {}", names.join(", ")),
                )
                .fix(format!("say which makes yours: --initramfs {}", names[0])),
            );
            return;
        }
    };
    match tool {
        Tool::Mkinitcpio => mkinitcpio::write(form, boot, draft),
        Tool::Dracut => dracut::write(form, boot, draft),
        Tool::InitramfsTools => initramfs_tools::write(form, boot, draft),
        Tool::Booster => booster::write(form, boot, draft),
    }
}
