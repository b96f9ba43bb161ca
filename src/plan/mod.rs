//! Floor 1: the vocabulary of a plan. Pure values; the only thing below is [`crate::unit`].
//!
//! A [`Draft`] collects arguments, changes, pins *and* problems while the profile's tables have their turns.
//! [`Draft::finish`] seals it: a [`Plan`] without problems is the only thing that can be carried out, a [`Refusal`]
//! can still be shown.

mod argv;
mod change;
mod clock;
mod command;
mod descriptor;
mod draft;
mod ending;
mod evdev;
mod file_edit;
mod hook;
mod identities;
mod kept;
mod new_file;
mod opens;
mod panic_key;
mod pins;
mod problem;
mod props;
mod region;
mod room;
mod rounds;
mod run_as;
mod service;
mod slots;
mod step;
mod transparent;
mod usb;

pub use argv::{Arg, Argv, Origin};
pub use change::{
    Binding, CONTROL_GROUPS, Change, Confinement, CpuMask, Grant, HOST_GROUP, Presence, RESCTRL, Test, UnitState, VFIO,
};
pub use clock::{ClockBase, GuestClock};
pub use command::Command;
pub use descriptor::{Descriptor, FIRST_DESCRIPTOR, Tap, TapFrom};
pub use draft::{Contents, Draft, Emulator, Plan, Refusal};
pub use ending::{Ending, OnHostShutdown, OnHostSleep, OnPanic, OnReboot, OnTimeout};
pub use evdev::EvdevWanted;
pub use file_edit::FileEdit;
pub use hook::{Hook, OnError, Point};
pub use identities::{Identities, Identity, Nameless};
pub use kept::{Kept, Seat, SeatBy};
pub use new_file::NewFile;
pub use opens::{Access, Lot, Opens};
pub use panic_key::PanicKey;
pub use pins::{Pins, Placement, Sched};
pub use problem::{Class, Problem};
pub use props::Props;
pub use room::{Home, Partition, Room};
pub use rounds::{Lane, rounds};
pub use run_as::{RunAs, SOCKETS};
pub use service::{Ready, Restart, Service, Start, What};
pub use slots::{Chipset, Place, PortLink, Slots};
pub use step::{Bus, Step, resize_bit};
pub use transparent::Transparent;
pub use usb::{UsbFound, UsbWanted, UsbWhich};
