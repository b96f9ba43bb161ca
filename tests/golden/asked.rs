//! A host of which is known what a profile asks for: what it does without asking is no part of its plan.

use vmrun::host::{Area, Console, CpuSets, Host, Iommu, Mediated, NetRights, Node, System, Wants};

/// PCI class and subclass of a host bridge.
const HOST_BRIDGE: u32 = 0x0600;

/// `host` without what is read only for those who ask, as far as `wants` does not.
pub(crate) fn only(mut host: Host, wants: &Wants) -> Host {
    let unasked = |areas: &[Area]| !wants.any(areas);
    if unasked(&[Area::Pci, Area::Names, Area::Holders]) {
        // By it older dumps tell who made the processor.
        host.pci.retain(|function| function.class >> 8 == HOST_BRIDGE);
    }
    if unasked(&[Area::Pci]) {
        (host.iommu, host.iommufd, host.console) = (Iommu::default(), false, Console::default());
        host.vfio_denied.clear();
        host.modules.clear();
    }
    if unasked(&[Area::Pci, Area::Usb]) {
        host.keyboards.clear();
    }
    if unasked(&[Area::Mdev]) {
        host.mediated = Mediated::default();
    }
    if unasked(&[Area::UsbDevices, Area::Usb]) {
        host.usb.clear();
    }
    if unasked(&[Area::Usb]) {
        host.usb_buses.clear();
    }
    if unasked(&[Area::Firmware]) {
        host.firmware.clear();
    }
    if unasked(&[Area::Interfaces]) {
        host.bridges.clear();
        host.links.clear();
        host.net = NetRights::default();
    }
    if unasked(&[Area::Sound]) {
        host.sound.clear();
    }
    if unasked(&[Area::Dmi]) {
        host.dmi.clear();
    }
    if unasked(&[Area::IoUring]) {
        host.io_uring = false;
    }
    if unasked(&[Area::System]) {
        host.system = System::default();
    }
    if unasked(&[Area::Tuning]) {
        host.tuning = None;
    }
    if unasked(&[Area::Memory]) {
        host.transparent_huge = None;
        for node in &mut host.nodes {
            let pools = std::mem::take(&mut node.pools);
            *node = Node { id: node.id, cpus: node.cpus.clone(), pools, ..Node::default() };
        }
    }
    if unasked(&[Area::HugePages]) {
        host.free_blocks.clear();
        host.nodes.iter_mut().for_each(|node| node.pools.clear());
    }
    if unasked(&[Area::Cpus]) {
        forget_cpus(&mut host);
    }
    if unasked(&[Area::Frequency]) {
        forget_frequency(&mut host);
    }
    if wants.run.is_none() {
        host.neighbours.clear();
    }
    host
}

fn forget_cpus(host: &mut Host) {
    host.cpu_model = None;
    (host.core_scheduling, host.real_time_percent) = (None, None);
    host.caches.clear();
    host.cpu_sets = CpuSets::default();
    host.cpus.iter_mut().for_each(|cpu| cpu.kind = None);
}

fn forget_frequency(host: &mut Host) {
    host.frequency = None;
    for cpu in &mut host.cpus {
        (cpu.max_khz, cpu.governor, cpu.preference, cpu.policy) = (None, None, None, None);
    }
}
