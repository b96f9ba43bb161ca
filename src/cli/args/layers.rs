//! Options that several commands share: what is laid over a profile, and the host that it is planned for.

use clap::Args;
use std::path::PathBuf;

/// What is laid over a profile.
#[derive(Clone, Debug, Default, Args)]
pub struct Layers {
    /// Lay the tables of [variant.NAME] over it
    #[arg(long = "variant", value_name = "NAME")]
    pub variants: Vec<String>,
    /// Give a key another value: cpu.cores=6
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl Layers {
    /// Whether nothing is laid over it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.variants.is_empty() && self.sets.is_empty()
    }
}

/// The host that a profile is planned for.
#[derive(Debug, Default, Args)]
pub struct HostFile {
    /// Plan for the machine that `vmrun host --dump` described
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
}
