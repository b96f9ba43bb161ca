//! The command lines of commands that reach into a guest.

use super::complete::running;
use super::guest::guest_name;
use crate::unit::{GuestName, UsbId, UsbPort};
use clap::{Args, Subcommand, ValueEnum};
use std::fmt;
use std::path::PathBuf;

/// `vmrun qmp`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun qmp windows query-status\n  \
                        vmrun qmp windows '{\"execute\": \"eject\", \"arguments\": {\"id\": \"drive1\"}}'\n  \
                        vmrun qmp windows               QMP on standard input and output\n\n\
                        Any number of clients at once; others find the same at `qmp-user.sock` in the run\n\
                        folder. Exit status: 0; 3 it does not run; 7 QEMU refused.")]
pub struct Qmp {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
    /// The command, as QMP has it, or its bare name
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

/// `vmrun hmp`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun hmp windows info pci\n  vmrun hmp windows help")]
pub struct Hmp {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
    /// The line
    #[arg(value_name = "LINE", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub line: Vec<String>,
}

/// `vmrun screenshot`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun screenshot windows desktop.png\n\n\
                        PNG for FILE.png, else PPM. Only an emulated display can be seen; what a passed\n\
                        card shows, vmrun does not know.")]
pub struct Screenshot {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
    /// Where the picture goes
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `vmrun send-key`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun send-key windows ctrl-alt-delete\n  vmrun send-key windows win r\n\n\
                        Names as QEMU has them: a, 1, f5, ret, esc, spc, tab, up, ctrl, alt, shift, meta_l,\n\
                        kp_enter, volumeup, …; and del, enter, space, win, pageup, pagedown. One that is\n\
                        none is told before anything is pressed.")]
pub struct SendKey {
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
    /// Keys pressed together, joined by `-`; then those of the next word
    #[arg(value_name = "KEYS", required = true)]
    pub keys: Vec<String>,
}

/// `vmrun cd`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun cd insert windows virtio-win.iso\n  vmrun cd eject windows --force")]
pub struct Cd {
    /// In or out
    #[command(subcommand)]
    pub command: CdCommand,
}

/// What is done with a disc.
#[derive(Debug, Subcommand)]
pub enum CdCommand {
    /// Put an image into a drive; one that is in it comes out
    Insert {
        /// Name of the guest
        #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
        name: GuestName,
        /// The image
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The drive, if there are several: drive1 for the second [[disk]]
        #[arg(long, value_name = "ID")]
        drive: Option<String>,
    },
    /// Take the image out of a drive
    Eject {
        /// Name of the guest
        #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
        name: GuestName,
        /// The drive, if there are several
        #[arg(long, value_name = "ID")]
        drive: Option<String>,
        /// Also when the guest holds it
        #[arg(long)]
        force: bool,
    },
}

/// `vmrun net`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun net down windows          unplugs the cable of its only device\n  \
                        vmrun net up windows net1")]
pub struct Net {
    /// Plugged in or unplugged
    #[arg(value_name = "up|down", hide_possible_values = true)]
    pub cable: Cable,
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
    /// The device, if there are several: net1 for the second [[net]]
    #[arg(value_name = "DEVICE")]
    pub device: Option<String>,
}

/// Whether a cable is plugged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cable {
    /// It is.
    Up,
    /// It is not.
    Down,
}

/// `vmrun usb`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun usb give windows 046d:c29b    what lsusb prints\n  \
                        vmrun usb take windows 1-4.2        what /sys/bus/usb/devices names\n\n\
                        A device that is not plugged in comes to the guest when it is.")]
pub struct Usb {
    /// To the guest, or back
    #[arg(value_name = "give|take", hide_possible_values = true)]
    pub turn: Turn,
    /// Name of the guest
    #[arg(value_name = "NAME", value_parser = guest_name, add = running())]
    pub name: GuestName,
    /// The device, by its ids or its port
    #[arg(value_name = "DEVICE", value_parser = usb_device)]
    pub device: UsbDevice,
}

/// Where a device goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Turn {
    /// To the guest.
    Give,
    /// Back to the host.
    Take,
}

/// Which device is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsbDevice {
    /// The one with these ids.
    Id(UsbId),
    /// The one in this socket.
    Port(UsbPort),
}

impl fmt::Display for UsbDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Port(port) => port.fmt(f),
        }
    }
}

fn usb_device(text: &str) -> Result<UsbDevice, String> {
    match text.contains(':') {
        true => text.parse().map(UsbDevice::Id),
        false => text.parse().map(UsbDevice::Port),
    }
}
