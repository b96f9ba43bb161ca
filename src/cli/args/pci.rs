//! The command line of `vmrun pci`.

use super::complete::running;
use super::guest::{guest_name, period};
use crate::unit::{GuestName, PciSelector, Period};
use clap::{Args, Subcommand};

/// `vmrun pci`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun pci attach windows 01:00\n  \
                        vmrun pci attach windows 00:10.0 --set allow_no_reset=true\n  \
                        vmrun pci detach windows 01:00\n\n\
                        A device is taken from its driver while the guest runs, and given back as at the\n\
                        guest's end. It needs one of the guest's  spare_ports  ([pcie] of its profile).")]
pub struct Pci {
    /// To the guest, or back
    #[command(subcommand)]
    pub command: PciCommand,
}

/// What is done with a device.
#[derive(Debug, Subcommand)]
pub enum PciCommand {
    /// Take a device from the host, and give it to a guest that runs
    #[command(after_help = "Examples:\n  vmrun pci attach windows 01:00          all functions\n  \
                            vmrun pci attach windows 10de:13c2 --set reset='[\"bus\"]'\n\n\
                            What stands against it is told as by `vmrun check`, and nothing is touched then.\n\
                            Exit status: 0 the guest has it; 3 the guest does not run; 7 QEMU or the host\n\
                            refused, and the host has it back; 10 to 14 as of `vmrun check`.")]
    Attach {
        /// Name of the guest
        #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
        name: GuestName,
        /// The device, as [[pci]] names it: 01:00, 01:00.1, 10de:13c2
        #[arg(value_name = "DEVICE")]
        device: PciSelector,
        /// Another key of [[pci]], and its value
        #[arg(long = "set", value_name = "KEY=VALUE")]
        sets: Vec<String>,
    },
    /// Ask a guest to let go of a device, and give it back to the host
    #[command(after_help = "Examples:\n  vmrun pci detach windows 01:00\n  \
                            vmrun pci detach windows 01:00 --timeout 2m\n\n\
                            The guest must agree; one that does later, or by itself, is heard too.\n\
                            Exit status: 0 the host has it back; 3 stopped; 7 not agreed in time.")]
    Detach {
        /// Name of the guest
        #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
        name: GuestName,
        /// The device, or one of its functions, by its address: 01:00, 01:00.1
        #[arg(value_name = "ADDRESS")]
        device: PciSelector,
        /// Wait no longer than this for the guest
        #[arg(long, value_name = "TIME", value_parser = period, default_value = "30s")]
        timeout: Period,
    },
}
