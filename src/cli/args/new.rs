//! The command line of `vmrun new`.

use crate::unit::{GuestName, Size};
use clap::{Args, ValueEnum};
use std::num::NonZeroU32;
use std::path::PathBuf;

/// `vmrun new`.
#[derive(Debug, Args)]
#[command(override_usage = "vmrun new [NAME] [OPTIONS]")]
#[command(help_template = "{about}\n{usage-heading} {usage}\n{all-args}{after-help}")]
#[command(after_help = "Example:\n  vmrun new games --card 01:00.0 --iso Win11.iso --disk games.img:64G --yes\n\
                  Also --output FILE for the profile, and --host FILE as of `vmrun plan`.\n\
                  Exit status: 0; 11 it cannot run here; 14 it is there already.")]
pub struct New {
    /// Its name
    // Its place in the usage tells enough; the help must fit a small terminal, as below.
    #[arg(hide = true, value_name = "NAME", value_parser = |text: &str| GuestName::try_from(text.to_owned()))]
    pub name: Option<GuestName>,
    /// windows11, windows10, windows, linux or other
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    pub guest: Option<GuestKind>,
    /// Address of the graphics card that it gets, or `none`
    #[arg(long, value_name = "BDF")]
    pub card: Option<String>,
    /// Whole cores that it gets
    #[arg(long, value_name = "N")]
    pub cores: Option<NonZeroU32>,
    /// Its memory
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,
    /// A disc for its installation; more than once for more
    #[arg(long, value_name = "FILE")]
    pub iso: Vec<PathBuf>,
    /// Its disk; with a size it is made
    #[arg(long, value_name = "FILE[:SIZE]")]
    pub disk: Option<String>,
    /// An event device to share with the host, or `none`
    #[arg(long, value_name = "DEVICE")]
    pub input: Vec<String>,
    /// Sound through the host: pa, pipewire, alsa or none
    #[arg(long, value_name = "DRIVER")]
    #[arg(value_parser = ["pa", "pipewire", "alsa", "none"], hide_possible_values = true)]
    pub sound: Option<String>,
    /// Its network: user, none, or a bridge by its name
    #[arg(long, value_name = "NET")]
    pub net: Option<String>,
    /// Where the profile is written; NAME.toml in ~/.config/vmrun unless given
    #[arg(short, long, value_name = "FILE", hide = true)]
    pub output: Option<PathBuf>,
    /// Ask nothing
    #[arg(short, long)]
    pub yes: bool,
    /// Make it for the machine that `vmrun host --dump` described
    #[arg(long, value_name = "FILE", hide = true)]
    pub host: Option<PathBuf>,
}

/// What runs in a guest, as `guest` of the profile has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum GuestKind {
    /// Windows 11, or Server 2022 and newer
    Windows11,
    /// Windows 10, or Server 2016 and 2019
    Windows10,
    /// An older Windows
    Windows,
    /// Linux
    Linux,
    /// Anything else
    Other,
}

impl GuestKind {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 5] = [Self::Windows11, Self::Windows10, Self::Windows, Self::Linux, Self::Other];

    /// Its name in a profile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windows11 => "windows11",
            Self::Windows10 => "windows10",
            Self::Windows => "windows",
            Self::Linux => "linux",
            Self::Other => "other",
        }
    }

    /// Whether it is a Windows.
    #[must_use]
    pub const fn is_windows(self) -> bool {
        matches!(self, Self::Windows11 | Self::Windows10 | Self::Windows)
    }
}
