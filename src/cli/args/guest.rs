//! The command lines of commands that name a guest.

use crate::unit::GuestName;
use clap::Args;

/// `vmrun status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun status windows\n  vmrun status windows --json\n\n\
                        Exit status: 0 running; 3 stopped; 4 runs without vmrun; 5 needs\n\
                        `vmrun recover`; 6 is being started or ended.")]
pub struct Status {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name)]
    pub name: GuestName,
}

/// `vmrun stop`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun stop windows              presses its power button and waits\n  \
                        vmrun stop windows --force      pulls the plug")]
pub struct Stop {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name)]
    pub name: GuestName,
    /// End it now; what it has not written is lost
    #[arg(long)]
    pub force: bool,
}

/// `vmrun recover`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun recover                   every guest whose run was cut short\n  \
                        vmrun recover windows")]
pub struct Recover {
    /// Name of the guest; without it all
    #[arg(value_name = "NAME", value_parser = guest_name)]
    pub name: Option<GuestName>,
}

fn guest_name(text: &str) -> Result<GuestName, String> {
    GuestName::try_from(text.to_owned())
}
