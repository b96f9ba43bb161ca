//! Floor 0: values. Each type is valid once it exists; nothing here reads a file or knows another floor.

mod bdf;
mod cpu_mask;
mod cpu_set;
mod guest_name;
mod guest_place;
mod host_address;
mod hv_vendor_id;
mod hyperv;
mod key;
mod mac;
mod option_rom;
mod pci_selector;
mod pci_slot;
mod period;
mod size;
mod usb_id;
mod usb_port;
mod version;

pub use bdf::Bdf;
pub use cpu_mask::{read_mask, write_mask};
pub use cpu_set::CpuSet;
pub use guest_name::GuestName;
pub use guest_place::GuestPlace;
pub use host_address::HostAddress;
pub use hv_vendor_id::HvVendorId;
pub use hyperv::{ENLIGHTENMENTS, Enlightenment};
pub use key::Key;
pub use mac::Mac;
pub use option_rom::{ImageKind, LARGEST_ROM, NoRom, OptionRom, RomImage, RomVerdict, UefiDriver};
pub use pci_selector::{PciSelector, Step as PathStep};
pub use pci_slot::PciSlot;
pub use period::Period;
pub use size::Size;
pub use usb_id::UsbId;
pub use usb_port::UsbPort;
pub use version::Version;
