//! The command line of `vmrun report`.

use super::Layers;
use clap::Args;
use std::path::PathBuf;

/// `vmrun report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun report windows.toml\n  vmrun report --output -\n\n\
                        Without --output it is vmrun-report.txt, or the next free vmrun-report-N.txt.\n\
                        Names, serial numbers, MAC addresses and UUIDs are masked.")]
pub struct Report {
    /// The profile that it is about; without it the machine alone
    #[arg(value_name = "PROFILE")]
    pub profile: Option<PathBuf>,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// Where it is written; - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Writes over the file that --output names
    #[arg(short, long, requires = "output")]
    pub force: bool,
}
