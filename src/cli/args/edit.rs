//! The command lines of `vmrun edit` and `vmrun list`.

use super::complete::profile;
use clap::Args;
use std::path::PathBuf;

/// `vmrun edit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun edit games\n  EDITOR=nano vmrun edit games.toml\n\n\
                        $VISUAL or $EDITOR gets a copy. What is saved there is checked; mistakes can be\n\
                        mended or dropped. The change is shown as what becomes of the plan, and the\n\
                        profile is replaced in one step, only by one that is valid; one that was\n\
                        wrong before may stay so.\n\
                        Exit status: 0; 10 mistakes were left, and the profile is as it was.")]
pub struct Edit {
    /// The profile: its name in ~/.config/vmrun or /etc/vmrun, or a TOML file
    #[arg(value_name = "PROFILE", add = profile())]
    pub profile: PathBuf,
}

/// `vmrun list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun list\n  vmrun list --json\n\n\
                        Those in ~/.config/vmrun and /etc/vmrun; of two of one name the first is taken.\n\
                        Exit status: 0.")]
pub struct List {}
