//! The command line of `vmrun rom`.

use super::address;
use crate::unit::Bdf;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `vmrun rom`.
#[derive(Debug, Args)]
pub struct Rom {
    /// What is done.
    #[command(subcommand)]
    pub what: RomCommand,
}

/// The commands below `vmrun rom`.
#[derive(Debug, Subcommand)]
pub enum RomCommand {
    /// Read the option ROM of a card into a file; nothing is ever flashed
    Dump(RomDump),
    /// Say what an option ROM holds, and whether a UEFI guest can use it
    Inspect(RomInspect),
}

/// `vmrun rom dump`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sudo vmrun rom dump 01:00.0 -o card.rom\n\n\
                        Works best while no driver holds the card and the host did not start with it:\n\
                        the firmware changes the ROM of the card that shows its screen.\n\
                        Exit status: 0; 10 what was read is no ROM; 12 there is none; 13 not permitted.")]
pub struct RomDump {
    /// Address of the card, as `lspci` prints it
    #[arg(value_name = "ADDRESS", value_parser = address)]
    pub bdf: Bdf,
    /// Write it to a new file; without: to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `vmrun rom inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun rom inspect card.rom\n  vmrun rom inspect card.rom --card 01:00.0\n  \
                        sudo vmrun rom inspect 01:00.0\n  vmrun rom inspect bought.rom --trim card.rom\n\n\
                        Exit status: 0 when a UEFI guest can use it; 10 it is no ROM; 11 it cannot.")]
pub struct RomInspect {
    /// A file, or the address of a card
    #[arg(value_name = "FILE|ADDRESS")]
    pub source: PathBuf,
    /// The card that it is for; without: any here that fits
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub card: Option<Bdf>,
    /// Write it to NEW without a flash tool's header
    #[arg(long, value_name = "NEW")]
    pub trim: Option<PathBuf>,
}
