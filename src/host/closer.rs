//! The facts that only those get to know who asked for them.

use super::cpu::Processor;
use super::{
    Area, Caller, Host, PciFunction, PciHolder, Root, Wants, console, core_scheduling, cpu, dmi, firmware, free_blocks,
    iommu, keyboard, mediated, module, neighbour, net, node, path, pci, real_time, sound, system, transparent_huge,
    tuning, usb, vfio,
};
use crate::unit::Bdf;
use std::path::PathBuf;

impl Host {
    /// Fills in which devices, interfaces, servers and firmware there are, as far as `wants` asks for them.
    pub(super) fn look_around(&mut self, root: &Root, caller: &Caller, wants: &Wants) {
        if wants.any(&[Area::Pci, Area::Names, Area::Holders]) {
            self.pci = pci::read(root);
        }
        if wants.any(&[Area::UsbDevices, Area::Usb]) {
            self.usb = usb::read(root);
        }
        if wants.area(Area::Dmi) {
            self.dmi = dmi::read(root);
        }
        if wants.area(Area::Sound) {
            let listener = self.account.as_ref().map_or(caller.invoker.unwrap_or(caller.euid), |account| account.uid);
            self.sound = sound::servers(root, listener);
        }
        if wants.area(Area::Interfaces) {
            self.bridges = net::bridges(root);
            self.links = net::links(root);
            self.net = net::rights(root, caller.euid);
        }
        if wants.area(Area::Firmware) {
            self.firmware = firmware::read(root, caller);
            // Their sizes are held against those of the guests' own stores.
            let images = self.firmware.iter().flat_map(|found| std::iter::once(&found.code).chain(&found.vars));
            self.paths.extend(images.map(|path| (path.clone(), path::read(root, path))));
        }
        self.io_uring = wants.area(Area::IoUring) && root.has_io_uring();
    }

    /// Fills in what takes a close look, as far as `wants` asks for it.
    pub(super) fn look_closer(&mut self, root: &Root, processor: &Processor, wants: &Wants) {
        if wants.area(Area::Pci) || wants.area(Area::Usb) {
            self.keyboards = keyboard::read(root);
        }
        if wants.area(Area::Pci) {
            self.iommu = iommu::read(root);
            self.iommufd = root.exists("/dev/iommu");
            self.vfio_denied = vfio::denied(root);
            self.modules = module::read(root);
            self.console = console::read(root);
            pci::close(root, &self.keyboards, &self.console, &mut self.pci);
        }
        if wants.area(Area::Holders) {
            pci::holders(root, &mut self.pci);
        }
        if wants.area(Area::Mdev) {
            self.mediated = mediated::read(root);
        }
        if wants.area(Area::Names) {
            pci::names(root, &mut self.pci);
        }
        if wants.area(Area::Cpus) {
            let online = self.online();
            let close = cpu::close(root, &online, &mut self.cpus);
            (self.cpu_model, self.caches, self.cpu_sets) = (processor.model.clone(), close.caches, close.sets);
            self.real_time_percent = real_time::percent(root);
            self.core_scheduling = core_scheduling::read(root);
        }
        if wants.area(Area::Frequency) {
            self.frequency = cpu::frequency(root, &mut self.cpus);
        }
        if wants.area(Area::Memory) {
            node::memory(root, &mut self.nodes);
            self.transparent_huge = transparent_huge::read(root);
        }
        if wants.area(Area::HugePages) {
            node::pools(root, &mut self.nodes);
            self.free_blocks = free_blocks::read(root);
        }
        if wants.area(Area::Usb) {
            self.usb_buses = usb::buses(root);
        }
        if wants.area(Area::System) {
            self.system = system::read(root, processor);
        }
        if let Some(run) = &wants.run {
            self.neighbours = neighbour::read(root, run);
        }
        if wants.area(Area::Tuning) {
            self.tuning = Some(tuning::read(root, self.systemd));
        }
    }

    /// The PCI functions alone, by address and in every detail; the rest of a host takes longer to read.
    #[must_use]
    pub fn functions(root: &Root) -> Vec<PciFunction> {
        let mut functions = pci::read(root);
        pci::close(root, &keyboard::read(root), &console::read(root), &mut functions);
        functions
    }

    /// Version and date of the machine's own firmware; empty when it tells neither.
    #[must_use]
    pub fn own_firmware(root: &Root) -> String {
        dmi::version(root)
    }

    /// Who holds the PCI function at `bdf` now, as far as vmrun's user may see, and the device nodes that lead to it.
    #[must_use]
    pub fn holders(root: &Root, bdf: Bdf) -> (Vec<PciHolder>, Vec<PathBuf>) {
        pci::holders_now(root, bdf)
    }
}
