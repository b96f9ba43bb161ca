//! The few rules that span tables.

use super::audio::Audio;
use super::disk::Disk;
use super::disk_bus::Bus;
use super::usb::Usb;

/// The first key path that needs a USB controller.
pub(super) fn usb_wanted_by(disks: &[Disk], devices: &[Usb], audio: Option<&Audio>) -> Option<String> {
    let disk = disks.iter().position(|disk| disk.bus() == Bus::Usb).map(|i| format!("disk[{i}].bus"));
    let device = devices.iter().position(|usb| usb.enabled).map(|i| format!("usb[{i}]"));
    let audio = || audio.filter(|audio| audio.is_usb()).map(|_| "audio.model".to_owned());
    disk.or(device).or_else(audio)
}
