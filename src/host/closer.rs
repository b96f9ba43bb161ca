//! The facts that only a closer look tells, each for those who asked.

use super::{
    Area, Host, Root, Wants, console, core_scheduling, cpu, iommu, keyboard, mediated, module, neighbour, node, pci,
    real_time, system, transparent_huge, tuning, usb, vfio,
};

impl Host {
    /// Fills in what `wants` asks for beyond what is always read.
    pub(super) fn look_closer(&mut self, root: &Root, wants: &Wants) {
        if wants.area(Area::Pci) || wants.area(Area::Usb) {
            self.keyboards = keyboard::read(root);
        }
        if wants.area(Area::Pci) {
            self.iommu = iommu::read(root);
            self.address_bits = cpu::address_bits(root);
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
            (self.cpu_model, self.caches) = (close.model, close.caches);
            (self.cpu_sets, self.frequency) = (close.sets, close.frequency);
            self.real_time_percent = real_time::percent(root);
            self.core_scheduling = core_scheduling::read(root);
        }
        if wants.area(Area::Memory) {
            node::memory(root, &mut self.nodes);
            self.transparent_huge = transparent_huge::read(root);
        }
        if wants.area(Area::Usb) {
            self.usb_buses = usb::buses(root);
        }
        if wants.area(Area::System) {
            self.system = system::read(root);
        }
        if let Some(run) = &wants.run {
            self.neighbours = neighbour::read(root, run);
        }
        if wants.area(Area::Tuning) {
            self.tuning = Some(tuning::read(root, self.systemd));
        }
    }
}
