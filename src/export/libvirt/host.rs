//! `<hostdev>`: devices of the host.

use super::Source;
use crate::export::xml::Element;
use crate::unit::Bdf;
use serde_json::Value;

pub(super) fn write(source: &Source<'_>, devices: &mut Element) {
    functions(source, devices);
    let document = source.document;
    for i in 0..document.count("mdev") {
        let key = |name: &str| format!("mdev[{i}].{name}");
        let Some(uuid) = document.text(&key("uuid")) else { continue };
        let display = document.on(&key("display")).map(|on| if on { "on" } else { "off" });
        let ramfb = (document.on(&key("ramfb")) == Some(true)).then_some("on");
        let from = Element::new("source").and(Element::new("address").with("uuid", &uuid));
        let hostdev = Element::new("hostdev").with("mode", "subsystem").with("type", "mdev").with("model", "vfio-pci");
        let address = source.address(&format!("mdev {}", uuid.to_lowercase()));
        document.settle(&key("addr"));
        document.settle(&key("properties"));
        devices.push(hostdev.maybe("display", display).maybe("ramfb", ramfb).and(from).and_maybe(address));
    }
    for i in 0..document.count("usb") {
        usb(source, i, devices);
    }
}

/// The functions that the plan passes, one by one: a profile may name whole slots.
fn functions(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    for i in 0..document.count("pci") {
        for name in ["host", "device", "usb_controller_of", "addr", "multifunction"] {
            document.settle(&format!("pci[{i}].{name}"));
        }
    }
    for device in source.devices.iter().filter(|device| device["driver"] == "vfio-pci") {
        let Some(bdf) = device["host"].as_str().and_then(|host| host.parse::<Bdf>().ok()) else { continue };
        let mut hostdev = Element::new("hostdev").with("mode", "subsystem").with("type", "pci").with("managed", "yes");
        hostdev.push(Element::new("source").and(address(bdf)));
        let file = device["romfile"].as_str().filter(|file| !file.is_empty());
        let bar = device["rombar"].as_u64().map(|bar| if bar == 0 { "off" } else { "on" });
        let off = device["romfile"].as_str() == Some("");
        if off {
            hostdev.push(Element::new("rom").with("enabled", "no"));
        } else if file.is_some() || bar.is_some() {
            hostdev.push(Element::new("rom").maybe("bar", bar).maybe("file", file));
        }
        let order = device["bootindex"].as_u64().map(|order| Element::new("boot").with("order", order.max(1)));
        devices.push(hostdev.and_maybe(order).and_maybe(source.address(&format!("pci {bdf}"))));
    }
    for i in 0..document.count("pci") {
        document.settle(&format!("pci[{i}].rom"));
        document.settle(&format!("pci[{i}].rombar"));
        for name in ["properties", "spoof", "x_vga"] {
            document.settle(&format!("pci[{i}].{name}"));
        }
    }
}

/// Properties of passed devices for which a domain has elements, or which follow from others.
const TOLD: [&str; 14] = [
    "addr",
    "bootindex",
    "bus",
    "display",
    "driver",
    "fd",
    "host",
    "id",
    "iommufd",
    "multifunction",
    "ramfb",
    "rombar",
    "romfile",
    "sysfsdev",
];

/// `<qemu:override>`: the other properties of passed devices, by the names that libvirt gives those in their order.
pub(super) fn overrides(source: &Source<'_>) -> Option<Element> {
    let is = |device: &&Value, key: &str| {
        device["driver"].as_str().is_some_and(|it| it.starts_with("vfio-pci")) && device[key].is_string()
    };
    let functions = source.devices.iter().filter(|device| is(device, "host"));
    let mediated = source.devices.iter().filter(|device| is(device, "sysfsdev"));
    let mut all = Element::new("qemu:override");
    for (number, device) in functions.chain(mediated).enumerate() {
        let others = device.as_object().into_iter().flatten().filter(|(name, _)| !TOLD.contains(&name.as_str()));
        let mut frontend = Element::new("qemu:frontend");
        for (name, value) in others {
            let (kind, value) = match value {
                Value::Bool(on) => ("bool", on.to_string()),
                Value::Number(number) if number.is_u64() => ("unsigned", number.to_string()),
                Value::Number(number) => ("signed", number.to_string()),
                other => ("string", other.as_str().unwrap_or_default().to_owned()),
            };
            frontend.push(Element::new("qemu:property").with("name", name).with("type", kind).with("value", value));
        }
        if !frontend.is_empty() {
            all.push(Element::new("qemu:device").with("alias", format!("hostdev{number}")).and(frontend));
        }
    }
    (!all.is_empty()).then_some(all)
}

fn address(bdf: Bdf) -> Element {
    let text = bdf.to_string();
    let (place, function) = text.rsplit_once('.').unwrap_or((&text, "0"));
    let mut parts = place.split(':').chain(["0"; 3]);
    let mut next = || format!("0x{}", parts.next().unwrap_or("0"));
    Element::new("address")
        .with("domain", next())
        .with("bus", next())
        .with("slot", next())
        .with("function", format!("0x{function}"))
}

fn usb(source: &Source<'_>, i: usize, devices: &mut Element) {
    let document = source.document;
    let key = |name: &str| format!("usb[{i}].{name}");
    if document.on(&key("enabled")) == Some(false) {
        // The guest does not have it.
        return document.settle(&format!("usb[{i}]"));
    }
    let mut from = Element::new("source");
    if document.on(&key("required")) == Some(true) {
        from = from.with("startupPolicy", "mandatory");
    } else {
        from = from.with("startupPolicy", "optional");
    }
    let reset = document.on(&key("guest_reset")).filter(|on| !on).map(|_| "off");
    from = from.maybe("guestReset", reset);
    let Some(id) = document.text(&key("id")) else { return };
    let (vendor, product) = id.split_once(':').unwrap_or((&id, "0"));
    from.push(Element::new("vendor").with("id", format!("0x{vendor}")));
    from.push(Element::new("product").with("id", format!("0x{product}")));
    devices
        .push(Element::new("hostdev").with("mode", "subsystem").with("type", "usb").with("managed", "yes").and(from));
}
