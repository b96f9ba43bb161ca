//! The command lines of `vmrun desktop-entry` and `vmrun unit`.

use super::Layers;
use super::complete::profile;
use clap::Args;
use std::path::PathBuf;

/// `vmrun desktop-entry`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  vmrun desktop-entry games --install    games is in the menu from now on\n\n\
                        It starts the guest, through pkexec where that takes root; its actions stop it\n\
                        and say how it is. What goes wrong is told as a notification and in the journal:\n\
                        journalctl -t vmrun. Exit status: 0; 10 the profile has mistakes.")]
pub struct DesktopEntry {
    /// The profile, by its file or its name
    #[arg(value_name = "PROFILE", add = profile())]
    pub profile: PathBuf,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// Write it where the menu finds it, instead of to standard output
    #[arg(long)]
    pub install: bool,
}

/// `vmrun unit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sudo sh -c 'vmrun unit games > /etc/systemd/system/vmrun-games.service'\n  \
                        vmrun unit --user games > ~/.config/systemd/user/vmrun-games.service\n\n\
                        systemctl start comes back when the guest runs; systemctl stop presses its power\n\
                        button. The guest outlives a vmrun that is killed: a new one is with it again.\n\
                        Exit status: 0; 10 the profile has mistakes.")]
pub struct Unit {
    /// The profile, by its file or its name; without it a template for all
    #[arg(value_name = "PROFILE", add = profile())]
    pub profile: Option<PathBuf>,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// For the user's own systemd, without root
    #[arg(long)]
    pub user: bool,
}
