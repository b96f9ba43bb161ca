//! `<controller>`: buses, most of which vmrun makes itself.

use super::Domain;
use crate::import::page::number;
use crate::import::xml::Element;

pub(super) fn import(devices: &Element, domain: &mut Domain) {
    let mut usb = Vec::new();
    for controller in devices.all("controller") {
        take(controller);
        match controller.attr("type").unwrap_or_default() {
            "pci" => pci(controller, domain),
            "usb" => usb.push(controller),
            "scsi" => scsi(controller),
            "sata" | "ide" => controller.translated("the chipset's own, or made when a disk sits on it"),
            "virtio-serial" => controller.translated("made when a channel needs it"),
            "fdc" => controller.lost("there are no floppy disks"),
            "nvme" => controller.translated("made for each disk on nvme"),
            other => controller.lost(format!("vmrun has no controller `{other}`")),
        }
    }
    self::usb(&usb, domain);
    for element in devices.all("iommu") {
        iommu(element, domain);
    }
}

/// An IOMMU that the guest sees.
fn iommu(element: &Element, domain: &mut Domain) {
    let Some(model @ ("intel" | "amd" | "virtio")) = element.attr("model") else {
        return element.lost("that IOMMU is none of a PC's");
    };
    let table = domain.page.table("iommu");
    table.set("model", model);
    element.all("address").for_each(Element::take);
    element.all("alias").for_each(Element::take);
    let Some(driver) = element.child("driver") else { return };
    let keys = [
        ("intremap", "intremap"),
        ("eim", "eim"),
        ("xtsup", "eim"),
        ("caching_mode", "caching_mode"),
        ("iotlb", "device_iotlb"),
        ("dma_translation", "dma_translation"),
    ];
    for (theirs, ours) in keys {
        table.maybe(ours, driver.attr(theirs).map(|value| value == "on"));
    }
    table.maybe("aw_bits", driver.attr("aw_bits").and_then(|bits| bits.parse().ok()).map(number));
}

/// Numbers and places are vmrun's own.
fn take(controller: &Element) {
    controller.attr("index");
    for name in ["address", "alias", "target", "model", "master", "pcihole64", "driver"] {
        controller.all(name).for_each(Element::take);
    }
}

fn pci(controller: &Element, domain: &Domain) {
    controller.translated(match controller.attr("model") {
        Some("pcie-root" | "pci-root") | None if domain.q35 => "the chipset's own",
        Some("pci-root") | None => "the chipset's own",
        Some("pcie-root-port") => "each device has a root port of its own",
        Some(_) => "devices sit on the root bus, or behind a root port of their own",
    });
    if controller.child("pcihole64").is_some() {
        controller.translated("the firmware sizes the window for large BARs");
    }
}

fn scsi(controller: &Element) {
    match controller.attr("model") {
        Some("virtio-scsi") | None => controller.translated("made when a disk sits on it"),
        Some("virtio-transitional" | "virtio-non-transitional") => {
            controller.translated("virtio-scsi, made when a disk sits on it");
        }
        Some(other) => {
            controller.lost(format!("disks sit on virtio-scsi instead of `{other}`; the guest needs its driver first"));
        }
    }
    if let Some(driver) = controller.child("driver") {
        driver.needless("queues and iothread of the controller are those of its disks");
    }
}

/// One controller: the quickest of those that are there, since it takes devices of every speed.
fn usb(all: &[&Element], domain: &mut Domain) {
    let rank = |controller: &&&Element| match controller.attr("model") {
        Some("qemu-xhci") => 0,
        Some("nec-xhci") => 1,
        Some("ich9-ehci1" | "ehci") => 2,
        Some("none") => 9,
        _ => 3,
    };
    let Some(best) = all.iter().min_by_key(rank) else {
        // libvirt adds one to every PC: `src/qemu/qemu_domain.c`, qemuDomainDefaultUSBControllerModel.
        let model = if domain.q35 { "qemu-xhci" } else { "uhci" };
        return domain.page.table("usb_controller").set("model", model);
    };
    let ports = best.number("ports");
    all.iter().for_each(|controller| _ = controller.attr("ports"));
    for other in all.iter().filter(|other| !std::ptr::eq(**other, *best)) {
        match other.attr("model").is_some_and(|model| model.starts_with("ich9-")) {
            true => other.translated("its companion: the one controller takes devices of all speeds"),
            false => other.translated("there is one controller, for devices of all speeds"),
        }
    }
    match best.attr("model") {
        Some("none") => {}
        Some("qemu-xhci") => {
            let table = domain.page.table("usb_controller");
            table.set("model", "qemu-xhci");
            table.maybe("ports", ports.map(|ports| number(ports.min(15))));
        }
        Some("nec-xhci") => {
            let table = domain.page.table("usb_controller");
            table.set("model", "nec-usb-xhci");
            table.maybe("ports", ports.map(|ports| number(ports.min(15))));
        }
        Some(model) if model.contains("ehci") => {
            best.translated("qemu-xhci: a USB 2 controller takes slower devices only with companions");
            let table = domain.page.table("usb_controller");
            table.comment(format!(
                "The file has `{model}`. Windows 7 has a driver for neither xHCI: model = \"ehci\" is for it."
            ));
            table.set("model", "qemu-xhci");
        }
        Some(_) | None if domain.q35 => {
            best.translated("qemu-xhci, which takes devices of all speeds");
            domain.page.table("usb_controller").set("model", "qemu-xhci");
        }
        Some(_) | None => domain.page.table("usb_controller").set("model", "uhci"),
    }
}
