//! `<devices>`: the emulator, controllers, and the others in their order.

use super::{Source, cpu, disk, display, net, small};
use crate::export::xml::Element;

pub(super) fn write(source: &Source<'_>) -> Element {
    let document = source.document;
    let mut devices = Element::new("devices");
    document.settle("qemu.binary");
    devices.push(Element::of("emulator", source.contents.emulator.path.to_string_lossy()));
    disk::write(source, &mut devices);
    controllers(source, &mut devices);
    iommu(source).into_iter().for_each(|element| devices.push(element));
    net::write(source, &mut devices);
    small::write(source, &mut devices);
    display::write(source, &mut devices);
    devices
}

/// What the profile says of it: the rest is libvirt's choice as it is vmrun's.
fn iommu(source: &Source<'_>) -> Option<Element> {
    let document = source.document;
    if !document.has("iommu") {
        return None;
    }
    let model = document.text("iommu.model").unwrap_or_else(|| "intel".to_owned());
    let eim = if model == "amd" { "xtsup" } else { "eim" };
    let keys = [
        ("intremap", "intremap"),
        ("eim", eim),
        ("caching_mode", "caching_mode"),
        ("device_iotlb", "iotlb"),
        ("dma_translation", "dma_translation"),
    ];
    let mut driver = Element::new("driver");
    for (ours, theirs) in keys {
        let on = document.on(&format!("iommu.{ours}"));
        driver = driver.maybe(theirs, on.map(|on| if on { "on" } else { "off" }));
    }
    let driver = driver.maybe("aw_bits", document.number("iommu.aw_bits"));
    let iommu = Element::new("iommu").with("model", model);
    Some(if driver.is_empty() { iommu } else { iommu.and(driver) })
}

fn controllers(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    let model = source.devices.iter().find(|device| device["id"] == "usb").and_then(|device| device["driver"].as_str());
    let model = match model {
        Some("nec-usb-xhci") => "nec-xhci",
        Some("piix3-usb-uhci" | "ich9-usb-uhci1") => "piix3-uhci",
        Some(driver) if driver.contains("ehci") => "ehci",
        Some(_) => "qemu-xhci",
        None => "none",
    };
    // Written in any case, also when there is none.
    document.has("usb_controller");
    document.settle("usb_controller.model");
    let ports = document.number("usb_controller.ports");
    let controller = Element::new("controller").with("type", "usb").with("index", 0).with("model", model);
    let address = source.address_of("usb_controller");
    devices.push(controller.maybe("ports", ports).and_maybe(address));
    let scsi = (0..document.count("disk")).any(|i| document.text(&format!("disk[{i}].bus")).as_deref() == Some("scsi"));
    if scsi {
        let controller = Element::new("controller").with("type", "scsi").with("index", 0).with("model", "virtio-scsi");
        let thread = source.property("scsi0", "iothread").and_then(|id| cpu::iothread(source, &id));
        let driver = thread.map(|id| Element::new("driver").with("iothread", id));
        devices.push(controller.and_maybe(driver).and_maybe(source.address("disk virtio-scsi-pci")));
    }
    for (kind, name) in [("virtio-serial", "agent virtio-serial-pci"), ("sata", "disk ich9-ahci")] {
        if let Some(address) = source.address(name) {
            devices.push(Element::new("controller").with("type", kind).with("index", 0).and(address));
        }
    }
    if source.is_q35() {
        devices.push(Element::new("controller").with("type", "pci").with("index", 0).with("model", "pcie-root"));
        source.places.controllers().for_each(|port| devices.push(port));
        if !document.texts("pcie.ports").is_empty() {
            document.settle("pcie.ports");
        }
    }
}
