//! The command line of `vmrun import`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `vmrun import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vmrun import win10.xml -o win10.toml\n  vmrun import windows.sh > windows.toml\n\n\
                        Exit status: 0; 9 some of it is not in the profile; 10 it cannot be read."
)]
pub struct Import {
    /// XML, script, or `.conf` of Proxmox or quickemu; `-` for standard input
    #[arg(value_name = "FILE", required_unless_present = "pid")]
    pub file: Option<PathBuf>,
    /// A QEMU that runs, by its process number
    #[arg(long, value_name = "N", conflicts_with = "file")]
    pub pid: Option<u32>,
    /// Write the profile to a new file; without: to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// text or json, on standard error
    #[arg(long, value_name = "FORM", default_value = "text", hide_possible_values = true)]
    pub report: Form,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}
