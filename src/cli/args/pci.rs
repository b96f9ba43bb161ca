//! The command line of `vmrun pci`.

use super::complete::running;
use super::guest::{guest_name, period};
use crate::unit::{GuestName, PciSelector, Period};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `vmrun pci`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun pci attach windows 01:00\n  \
                        vmrun pci attach windows 00:10.0 --set allow_no_reset=true\n  \
                        vmrun pci detach windows 01:00\n\n\
                        A device is taken from its driver while the guest runs, and given back as at the\n\
                        guest's end. It needs one of the guest's  spare_ports  ([pcie] of its profile).")]
pub struct Pci {
    /// To the guest, or back, or for its Windows
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
    /// Write what switches on message signaled interrupts (MSI) in Windows
    Msi(Msi),
}

/// `vmrun pci msi`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun pci msi 01:00 -o msi.cmd\n  \
                        vmrun pci msi 01:00 -o msi.reg \\\n    \
                        --instance 'PCI\\VEN_10DE&DEV_0FBA&SUBSYS_…&REV_A1\\4&2283f625&0&0110'\n\n\
                        The script finds the devices; run it in the guest as administrator. The paths\n\
                        are in the guest's device manager: Details, Device instance path.\n\
                        Exit status: 0; 10 a path of another device; 12 no such function.")]
pub struct Msi {
    /// The device, as [[pci]] names it: 01:00, 01:00.1, 10de:13c2
    #[arg(value_name = "DEVICE", required = true)]
    pub devices: Vec<PciSelector>,
    /// Windows' "device instance path", for a .reg file
    #[arg(long = "instance", value_name = "PATH")]
    pub instances: Vec<String>,
    /// Write it to a new file; without: to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
