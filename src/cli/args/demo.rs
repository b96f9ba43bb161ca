//! The command line of `vmrun demo`.

use super::Layers;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `vmrun demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun demo                      needs no disk, no root, no KVM\n  \
                        vmrun demo windows.toml         what would that guest see?\n  \
                        vmrun demo --then wait          runs until its power button is pressed")]
pub struct Demo {
    /// A profile whose CPU, memory and devices the demo guest gets
    #[arg(value_name = "PROFILE")]
    pub profile: Option<PathBuf>,
    /// What is laid over it.
    #[command(flatten)]
    pub layers: Layers,
    /// Afterwards: poweroff, wait, ignore, reset, panic, hang, spin or crash
    #[arg(long, value_name = "WHAT", default_value = "poweroff")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub then: Then,
    /// Only the guest's report, on standard output
    #[arg(long)]
    pub report: bool,
}

/// What the demo guest does after its report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Then {
    /// It powers itself off.
    #[default]
    Poweroff,
    /// It waits for its power button, then powers off.
    Wait,
    /// It ignores its power button.
    Ignore,
    /// It resets itself once, then powers off.
    Reset,
    /// It tells the host of a panic through pvpanic.
    Panic,
    /// It halts with interrupts closed.
    Hang,
    /// It runs in a circle.
    Spin,
    /// It dies of a triple fault.
    Crash,
}
