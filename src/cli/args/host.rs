//! The command line of `vmrun host`.

use super::Layers;
use clap::Args;
use std::path::PathBuf;

/// `vmrun host`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun host --dump > my-host.json    attach this to a bug report")]
pub struct Host {
    /// Every fact, as JSON
    #[arg(long, required = true)]
    pub dump: bool,
    /// A profile whose files are looked at too
    #[arg(value_name = "PROFILE")]
    pub profile: Option<PathBuf>,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
}
