//! The command line of `vmrun isolate`.

use crate::isolate::Tool;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `vmrun isolate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun isolate 01:00             shows a diff; nothing is written\n\n\
                        Exit status: 0; 10, 11 refused; 41 not all could be put back.")]
pub struct Isolate {
    /// Devices, or a profile; without: how things stand
    #[arg(value_name = "ADDRESS|PROFILE")]
    pub devices: Vec<PathBuf>,
    /// Write the files
    #[arg(long, conflicts_with = "remove")]
    pub apply: bool,
    /// Put back what was written
    #[arg(long, conflicts_with = "devices")]
    pub remove: bool,
    /// Bind by address although the ids are unique
    #[arg(long)]
    pub by_address: bool,
    /// Let the host's own devices skip translation: iommu=pt
    #[arg(long)]
    pub passthrough: bool,
    /// The host may lose its last graphics card or keyboard
    #[arg(long)]
    pub headless: bool,
    /// mkinitcpio, dracut, initramfs-tools or booster
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    pub initramfs: Option<Initramfs>,
    /// Another root than `/`
    #[arg(long, value_name = "FOLDER", hide = true, default_value = "/")]
    pub root: PathBuf,
}

/// What makes initramfs images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Initramfs {
    /// Arch Linux.
    Mkinitcpio,
    /// Fedora, openSUSE, and more.
    Dracut,
    /// Debian, Ubuntu, Pop!_OS.
    InitramfsTools,
    /// Arch Linux, by choice.
    Booster,
}

impl From<Initramfs> for Tool {
    fn from(name: Initramfs) -> Self {
        match name {
            Initramfs::Mkinitcpio => Self::Mkinitcpio,
            Initramfs::Dracut => Self::Dracut,
            Initramfs::InitramfsTools => Self::InitramfsTools,
            Initramfs::Booster => Self::Booster,
        }
    }
}
