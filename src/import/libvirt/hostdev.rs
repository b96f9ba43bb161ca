//! `<hostdev>`: devices of the host.

use super::{Domain, placed};
use crate::import::page::number;
use crate::import::xml::Element;

/// The host's address that `<address domain= bus= slot= function=>` gives.
pub(super) fn bdf(address: &Element) -> Option<String> {
    let domain = address.number("domain").unwrap_or(0);
    let function = address.number("function").unwrap_or(0);
    let (bus, slot) = (address.number("bus")?, address.number("slot")?);
    Some(format!("{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"))
}

pub(super) fn import(hostdev: &Element, domain: &mut Domain) {
    let managed = hostdev.flag("managed");
    if hostdev.attr("mode") == Some("capabilities") {
        return hostdev.lost("it is LXC's");
    }
    let source = hostdev.child("source");
    match hostdev.attr("type") {
        Some("pci") => {
            if managed == Some(false) {
                hostdev.translated("vmrun takes the function from its driver, and gives it back");
            }
            pci(hostdev, source, domain);
        }
        Some("usb") => usb(hostdev, source, domain),
        Some("mdev") => mdev(hostdev, source, domain),
        Some(other) => {
            hostdev.lost(format!("vmrun passes PCI and USB devices, not `{other}`; pass its controller with [[pci]]"));
        }
        None => hostdev.lost("its type is not said"),
    }
}

fn pci(hostdev: &Element, source: Option<&Element>, domain: &mut Domain) {
    let address = source.and_then(|source| source.child("address"));
    let Some(host) = address.and_then(bdf) else {
        return hostdev.lost("no address of the host is given");
    };
    source.into_iter().for_each(|source| _ = source.attr("startupPolicy"));
    let place = place(hostdev, domain.q35);
    for alias in hostdev.all("alias") {
        alias.needless("libvirt's own name of the device");
    }
    let table = domain.page.push("pci");
    table.set("host", host);
    if let Some(driver) = hostdev.child("driver") {
        match driver.attr("name") {
            Some("vfio") | None => {}
            Some(other) => driver.translated(format!("`{other}` is gone from today's kernels: vfio")),
        }
        if driver.attr("model").is_some() || driver.attr("iommufd").is_some() {
            driver.translated("vmrun chooses the driver");
        }
    }
    if let Some(place) = place {
        table.set("addr", place);
    }
    if let Some(rom) = hostdev.child("rom") {
        if rom.flag("enabled") == Some(false) {
            table.set("rom", "off");
        } else {
            table.maybe("rom", rom.attr("file").filter(|file| !file.is_empty()));
            table.maybe("rombar", rom.flag("bar"));
        }
    }
    if let Some(order) = hostdev.child("boot").and_then(|boot| boot.attr("order")) {
        table.property("bootindex", order);
    }
    for name in ["teaming", "acpi"] {
        hostdev.all(name).for_each(|element| element.lost("vmrun has nothing like it"));
    }
    if hostdev.flag("display") == Some(true) || hostdev.flag("ramfb") == Some(true) {
        hostdev.translated("the picture is the card's own");
    }
}

/// Its address in the guest, where there is a bus that both have: the root bus of a `pc`.
fn place(hostdev: &Element, q35: bool) -> Option<String> {
    let address = hostdev.child("address")?;
    let (bus, slot) = (address.number("bus")?, address.number("slot")?);
    let function = address.number("function").unwrap_or(0);
    let multi = address.flag("multifunction");
    _ = (address.attr("type"), address.attr("domain"), multi);
    if !q35 && bus == 0 && slot > 1 {
        return Some(format!("{slot:02x}.{function:x}"));
    }
    None
}

fn usb(hostdev: &Element, source: Option<&Element>, domain: &mut Domain) {
    placed(hostdev);
    let id = |name: &str| source.and_then(|source| source.child(name)).and_then(|element| element.number("id"));
    let ids = id("vendor").zip(id("product"));
    let address = source.and_then(|source| source.child("address"));
    let policy = source.and_then(|source| source.attr("startupPolicy"));
    if let Some(source) = source {
        _ = (source.flag("guestReset"), source.attr("guestReset"));
        if let Some(address) = address {
            address.take();
            match ids {
                Some(_) => address.needless("the number of a USB device changes with each plug; its ids do not"),
                None => address.asked("which device had that number; numbers change with each plug"),
            }
        }
    }
    let guest_reset = source.and_then(|source| source.attr("guestReset"));
    let port =
        source.and_then(|source| source.child("address")).and_then(|address| address.attr("port")).map(str::to_owned);
    let bus = address.and_then(|address| address.number("bus"));
    if ids.is_none() && port.is_none() {
        let place = address.map(|address| {
            format!("bus {} device {}", address.attr("bus").unwrap_or("?"), address.attr("device").unwrap_or("?"))
        });
        domain.page.tail(format!("To decide: a USB device was passed by its number ({}), which changes with each plug. `lsusb` tells its ids:", place.unwrap_or_default()));
        domain.page.tail("[[usb]]");
        domain.page.tail("id = \"VENDOR:PRODUCT\"");
        return;
    }
    let table = domain.page.push("usb");
    if let Some((vendor, product)) = ids {
        table.set("id", format!("{vendor:04x}:{product:04x}"));
    } else if let Some((bus, port)) = bus.zip(port) {
        table.set("port", format!("{bus}-{port}"));
    }
    if let Some("mandatory" | "requisite") = policy {
        table.set("required", true);
    }
    if guest_reset == Some("off") {
        table.set("guest_reset", false);
    }
    if let Some(boot) = hostdev.child("boot") {
        boot.attr("order").map(number_of).into_iter().for_each(drop);
        boot.lost("a USB device of the host has no place in the boot order");
    }
}

fn number_of(text: &str) -> Option<toml::Value> {
    text.parse().ok().map(number)
}

/// A part of a card (vGPU).
fn mdev(hostdev: &Element, source: Option<&Element>, domain: &mut Domain) {
    placed(hostdev);
    let model = hostdev.attr("model").unwrap_or("vfio-pci").to_owned();
    let (display, ramfb) = (hostdev.flag("display"), hostdev.flag("ramfb") == Some(true));
    let uuid = source.and_then(|source| source.child("address")).and_then(|address| address.attr("uuid"));
    let Some(uuid) = uuid.filter(|_| model == "vfio-pci") else {
        return hostdev.lost(format!("mediated devices are vfio-pci with a uuid, not `{model}`"));
    };
    let table = domain.page.push("mdev");
    table.set("uuid", uuid);
    table.maybe("display", display);
    if ramfb {
        table.set("ramfb", true);
    }
    hostdev
        .translated("it must be there when the guest starts (mdevctl start); with `parent` and `type` vmrun makes it");
}
