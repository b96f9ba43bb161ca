//! What is to be looked at before a profile can be planned.

use super::{Profile, Setting, hooks_dir, net, pci, share, vsock};
use crate::host::{Area, Wants};

impl Profile {
    /// What must be known of the host before this profile can be planned.
    #[must_use]
    pub fn wants(&self, setting: &Setting) -> Wants {
        let mut paths = Vec::new();
        paths.extend(self.memory.paths(setting));
        paths.extend(self.firmware.iter().flat_map(|firmware| firmware.paths(self.name.as_str(), setting)));
        paths.extend(self.tpm.iter().flat_map(|tpm| tpm.paths(setting)));
        paths.extend(self.kernel.iter().flat_map(|kernel| kernel.paths(setting)));
        paths.extend(self.disk.iter().filter_map(|disk| disk.paths(setting)));
        paths.extend(self.share.iter().map(|share| share.paths(setting)));
        paths.extend(self.net.iter().flat_map(|net| net.paths(setting)));
        paths.extend(self.pci.iter().filter_map(|pci| pci.paths(setting)));
        paths.extend(self.display.paths(setting));
        paths.extend(self.input.iter().filter_map(|input| input.paths(setting)));
        paths.extend(self.on.paths(setting));
        paths.extend(self.audio.iter().filter_map(|audio| audio.paths(setting)));
        paths.extend(self.looking_glass.iter().map(|glass| glass.paths(setting)));
        paths.extend(self.rng.iter().map(|rng| rng.paths(setting)));
        paths.extend(self.vsock.iter().map(|_| vsock::Vsock::path()));
        paths.extend(self.fw_cfg.iter().filter_map(|entry| entry.paths(setting)));
        paths.extend(self.acpi_table.iter().map(|table| table.paths(setting)));
        paths.extend(self.hooks_dir.iter().flat_map(|dir| hooks_dir::folders(dir, setting)));
        paths.extend(self.hook.iter().flat_map(|hook| hook.paths(setting)));
        paths.extend(self.service.iter().flat_map(|service| service.paths(setting)));
        let made: Vec<_> = self.made_anew(setting).into_iter().map(|made| made.path).collect();
        paths.extend(made.iter().cloned());
        paths.sort();
        paths.dedup();
        // What is made anew may lead to one of the disks by another name.
        let images = self.disk.iter().filter_map(|disk| disk.paths(setting)).chain(made).collect();
        let places = self.cpu.pinning.places();
        let run = (places || self.looking_glass.is_some()).then(|| setting.run_dir.clone());
        let placed = places.then_some(Area::Cpus);
        let areas = self.pci.iter().flat_map(pci::Pci::areas).chain(placed).chain(self.tune.areas());
        let mediated = (!self.mdev.is_empty()).then_some([Area::Pci, Area::Mdev]);
        let areas = areas.chain(mediated.into_iter().flatten());
        let devices = [
            self.memory.looks_for_pools().then_some(Area::HugePages),
            (!self.usb.is_empty()).then_some(Area::UsbDevices),
            (!self.disk.is_empty()).then_some(Area::IoUring),
            self.net.iter().any(net::Net::is_tied).then_some(Area::Interfaces),
            self.firmware.as_ref().filter(|firmware| firmware.is_pair()).map(|_| Area::Firmware),
            self.smbios.as_ref().filter(|smbios| smbios.copies()).map(|_| Area::Dmi),
            self.audio.as_ref().map(|_| Area::Sound),
        ];
        let areas = areas.chain(devices.into_iter().flatten());
        let areas = areas.chain(self.guest.map(|_| Area::System)).collect();
        let roms = self.pci.iter().filter_map(|pci| pci.paths(setting)).collect();
        let virtiofsd = share::daemons(&self.share, setting);
        Wants { qemu: self.qemu.binary(setting), paths, images, roms, virtiofsd, run, user: self.qemu.account(), areas }
    }
}
