//! The command line of `vmrun pick`.

use super::Layers;
use clap::Args;
use std::path::PathBuf;

/// `vmrun pick`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun pick                      those in ~/.config/vmrun and /etc/vmrun\n  \
                        vmrun pick games.toml work.toml\n  vmrun pick ~/guests\n\n\
                        contrib/tty-chooser.sh asks at the login on the first console.\n\
                        Exit status: as `vmrun run`; 0 when none is chosen.")]
pub struct Pick {
    /// Profiles, or folders with profiles
    #[arg(value_name = "PROFILE|FOLDER")]
    pub places: Vec<PathBuf>,
    /// What is laid over the one that is chosen.
    #[command(flatten)]
    pub layers: Layers,
}
