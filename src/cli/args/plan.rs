//! The command lines of `vmrun plan` and `vmrun check`, which plan and start nothing.

use super::complete::profile;
use super::{HostFile, Layers};
use clap::Args;
use std::path::PathBuf;

/// `vmrun plan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun plan windows.toml --argv --lines > windows.sh\n\n\
                        Exit status: 0; 10 wrong profile; 11 to 14, as of `vmrun check`, it cannot run\n\
                        here, and the plan is shown all the same.")]
pub struct Plan {
    /// The profile, by its file or its name
    #[arg(value_name = "PROFILE", add = profile())]
    pub profile: PathBuf,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// Only the command line of QEMU, quoted for a shell
    #[arg(long, conflicts_with = "json")]
    pub argv: bool,
    /// With --argv: one option a line
    #[arg(long, requires = "argv")]
    pub lines: bool,
    /// The host that it is planned for.
    #[command(flatten)]
    pub host: HostFile,
}

/// `vmrun check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun check\n  vmrun check windows.toml --json\n\n\
                        Exit status: 0; 1 the machine has a fault (`vmrun why ID` explains it); 10 the\n\
                        profile is wrong; 11 impossible here; 12 missing; 13 not permitted; 14 in use.")]
pub struct Check {
    /// The profile, by file or name; without it the machine is examined
    #[arg(value_name = "PROFILE", add = profile())]
    pub profile: Option<PathBuf>,
    /// Show what is well too
    #[arg(long)]
    pub all: bool,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// The host that it is planned for.
    #[command(flatten)]
    pub host: HostFile,
}
