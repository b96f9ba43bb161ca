//! The command line of `vmrun run`.

use super::Layers;
use super::complete::profile;
use clap::Args;
use std::path::PathBuf;

/// `vmrun run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun windows.toml              the same as: vmrun run windows.toml\n  \
                        sudo vmrun windows.toml\n\n\
                        Ctrl-C presses the guest's power button.\n\
                        Exit status: 0 good end; 10 to 14 refused, nothing touched; 20 to 22 not\n\
                        started; 30 to 35 ended badly; 41 host not restored: `vmrun recover`.")]
pub struct Run {
    /// The profile, by its file or its name
    #[arg(value_name = "PROFILE", add = profile())]
    pub profile: PathBuf,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
}
