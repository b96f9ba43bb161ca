//! The command line of `vmrun man`.

use clap::Args;
use std::path::PathBuf;

/// `vmrun man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun man ~/.local/share/man    for man vmrun, man vmrun-profile\n\n\
                        Packages bring them. Exit status: 0.")]
pub struct Man {
    /// Folder that gets man1 and man5
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}
