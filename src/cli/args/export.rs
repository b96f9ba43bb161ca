//! The command line of `vmrun export`.

use super::complete::profile;
use super::{HostFile, Layers};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `vmrun export`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  vmrun export games --to script -o games.sh\n\n\
                        Exit status: 0; 9 some of it is not there; 10 the profile has mistakes.")]
pub struct Export {
    /// The profile, by its file or its name
    #[arg(value_name = "PROFILE", add = profile())]
    pub profile: PathBuf,
    /// script (it needs no vmrun), systemd, libvirt, kubevirt
    #[arg(long, value_name = "FORM", hide_possible_values = true)]
    pub to: Shape,
    /// Write it to a new file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// The host that it is planned for.
    #[command(flatten)]
    pub host: HostFile,
}

/// The forms that a guest can leave in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// A shell script.
    Script,
    /// A `VirtualMachine` of `KubeVirt`.
    Kubevirt,
    /// Domain XML of libvirt.
    Libvirt,
    /// A unit of systemd, which runs vmrun.
    Systemd,
}
