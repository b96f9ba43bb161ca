//! The command line of `vmrun host`.

use super::Layers;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `vmrun host`.
#[derive(Debug, Args)]
#[command(
    disable_help_subcommand = true,
    subcommand_value_name = "VIEW",
    subcommand_help_heading = "Views",
    override_usage = "vmrun host [VIEW] [--host FILE]\n       vmrun host --dump [PROFILE] > my-host.json"
)]
pub struct Host {
    /// The part to look at closely; none for a summary.
    #[command(subcommand)]
    pub view: Option<View>,
    /// Every fact, as JSON; with PROFILE, of its files too
    #[arg(long, value_name = "PROFILE", num_args = 0..=1)]
    #[allow(clippy::option_option, reason = "how clap tells `--dump` from `--dump PROFILE`")]
    pub dump: Option<Option<PathBuf>>,
    /// Look at the machine that `vmrun host --dump` described
    #[arg(long, value_name = "FILE", global = true)]
    pub host: Option<PathBuf>,
    /// What is laid over the profile.
    #[command(flatten)]
    pub layers: Layers,
}

/// A part of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum View {
    /// IOMMU groups: what must be passed together, and whether it can be
    Groups,
    /// Graphics cards: what is plugged in, memory, ROM, link
    Gpus,
    /// USB controllers, their groups, and what is plugged in where
    Usb,
    /// Host CPUs: a picture of caches, cores and sibling threads
    Cpus,
    /// Memory by node, huge pages, and how many more could be made
    Memory,
    /// Firmware for guests, in the order in which it is taken
    Firmware,
    /// What a user has to be granted to start a guest without root
    Permissions(Permissions),
}

/// `vmrun host permissions`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The profile: a file, or the name of one
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// The user; who calls vmrun, also by sudo, unless given
    #[arg(long, value_name = "LOGIN")]
    pub user: Option<String>,
}
