//! `<address>`: where the guest finds its devices, which it shall go on finding there.

use super::{Domain, hostdev};
use crate::import::xml::Element;
use std::collections::BTreeMap;

/// Address on a bus: device and function.
type Slot = (u64, u64);

/// The buses of the domain, by the number of the controller that makes them.
struct Buses {
    q35: bool,
    /// Root ports: the controller's number and its address on the root bus.
    ports: BTreeMap<u64, Slot>,
}

/// Writes `[addresses]`; to be called when the page has all devices.
pub(super) fn import(devices: &Element, domain: &mut Domain) {
    let buses = Buses { q35: domain.q35, ports: root_ports(devices) };
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    let mut used = Vec::new();
    for device in devices.each() {
        let address = device.children.iter().find(|child| child.name == "address");
        let name = match address.map(|address| address.attr("type")) {
            None | Some(None | Some("pci")) => name(device, domain),
            Some(Some(_)) => None,
        };
        let name = name
            .map(|name| numbered(name, &mut turns))
            .filter(|name| !name.starts_with("usb_controller") || !name.ends_with(" 2"));
        let Some(address) = address else { continue };
        address.take();
        if device.name == "controller" && device.attr("type") == Some("pci") {
            continue;
        }
        let place = name.zip(buses.place(address));
        let taken = place.as_ref().is_some_and(|(_, place)| used.contains(place));
        match place.filter(|_| !taken) {
            Some((name, place)) if is_given(&name, domain) => {
                used.push(place.clone());
                domain.page.table("addresses").set(&name, place);
            }
            _ => other(device, address),
        }
    }
    empty_ports(&buses, domain);
}

/// Empty root ports too, so that buses have the numbers that they had.
fn empty_ports(buses: &Buses, domain: &mut Domain) {
    if domain.page.known("addresses").is_some() && buses.q35 && !buses.ports.is_empty() {
        let ports: Vec<_> = buses.ports.values().map(|slot| toml::Value::from(shown(*slot))).collect();
        domain.page.table("pcie").set("ports", ports);
    }
}

/// What becomes of an address that is no PCI address, or none that the profile has.
fn other(device: &Element, address: &Element) {
    match (device.name.as_str(), address.attr("type")) {
        (_, Some("drive")) => address.translated("the next port of the controller, in the order of the disks"),
        (_, Some("usb" | "virtio-serial" | "ccid")) => address.translated("the next port of the controller"),
        ("controller", _) => {}
        _ => address.translated("dealt anew, and the same from the first start on"),
    }
}

/// Root ports by the number of the bus behind them.
fn root_ports(devices: &Element) -> BTreeMap<u64, Slot> {
    let controllers = devices.all("controller").filter(|controller| {
        let model = controller.attr("model");
        controller.attr("type") == Some("pci") && model == Some("pcie-root-port")
    });
    let ports = controllers.filter_map(|controller| {
        let address = controller.child("address")?;
        let slot = (address.number("slot")?, address.number("function").unwrap_or(0));
        (address.number("bus") == Some(0)).then_some((controller.number("index")?, slot))
    });
    ports.filter(|(_, slot)| is_free(*slot)).collect()
}

/// 0 is the host bridge's, 1f the ICH9's.
fn is_free((device, function): Slot) -> bool {
    (1..0x1f).contains(&device) && function < 8
}

impl Buses {
    /// An address as the profile has it.
    fn place(&self, address: &Element) -> Option<String> {
        let (bus, slot) = (address.number("bus")?, address.number("slot")?);
        let at = (slot, address.number("function").unwrap_or(0));
        if bus == 0 {
            // Device 1 of a pc is its PIIX3, whose USB is function 2.
            let free = is_free(at) && (self.q35 || slot != 1 || at.1 == 2);
            return free.then(|| format!("{}{}", if self.q35 { "pcie.0/" } else { "" }, shown(at)));
        }
        let port = shown(*self.ports.get(&bus)?);
        Some(if at == (0, 0) { port } else { format!("{port}/{}", shown(at)) })
    }
}

fn shown((device, function): Slot) -> String {
    format!("{device:02x}.{function:x}")
}

/// The second of a name is called so, as the plan does.
fn numbered(name: String, turns: &mut BTreeMap<String, usize>) -> String {
    let turn = turns.entry(name.clone()).or_default();
    *turn += 1;
    if *turn == 1 { name } else { format!("{name} {turn}") }
}

/// Whether the profile has something for it.
fn is_given(name: &str, domain: &mut Domain) -> bool {
    let table = name.split(' ').next().unwrap_or_default();
    let of = match table {
        "agent" => {
            return domain.page.known("agent").is_some() || domain.page.get("display", "agent").is_some();
        }
        "memory" => return domain.page.get("memory", "balloon").is_some_and(|on| on.as_bool() == Some(true)),
        table => table,
    };
    domain.page.known(of).is_some() || domain.page.count(of) > 0
}

/// What a plan calls the device that the element became; `None` for what has no address of its own there.
fn name(device: &Element, domain: &mut Domain) -> Option<String> {
    let kind = |element: &str, attribute: &str| device.child(element).and_then(|child| child.attr(attribute));
    Some(match device.name.as_str() {
        "disk" => disk(device)?,
        "interface" if device.attr("type") == Some("hostdev") => {
            format!("pci {}", hostdev::bdf(device.at("source/address")?)?)
        }
        "interface" => format!("net {}", kind("mac", "address")?.to_lowercase()),
        "hostdev" if device.attr("type") == Some("pci") => {
            format!("pci {}", hostdev::bdf(device.at("source/address")?)?)
        }
        "hostdev" if device.attr("type") == Some("mdev") => {
            format!("mdev {}", device.at("source/address")?.attr("uuid")?.to_lowercase())
        }
        "controller" => match device.attr("type")? {
            "usb" => usb(device, domain)?,
            "scsi" => "disk virtio-scsi-pci".into(),
            "virtio-serial" => "agent virtio-serial-pci".into(),
            "sata" if !domain.q35 => "disk ich9-ahci".into(),
            _ => return None,
        },
        "sound" => format!("audio {}", sound(domain.page.get("audio", "model")?.as_str()?)?),
        "video" => format!("display {}", video(domain.page.get("display", "video")?.as_str()?)?),
        "memballoon" => "memory virtio-balloon-pci".into(),
        "rng" => "rng virtio-rng-pci".into(),
        "watchdog" => "watchdog i6300esb".into(),
        "vsock" => "vsock vhost-vsock-pci".into(),
        "shmem" => "looking_glass ivshmem-plain".into(),
        "filesystem" => format!("share {}", kind("target", "dir")?),
        "input" if device.attr("bus") == Some("virtio") => {
            format!("input virtio-{}-pci", device.attr("type")?)
        }
        _ => return None,
    })
}

fn disk(disk: &Element) -> Option<String> {
    let bus = disk.child("target")?.attr("bus");
    let own = matches!(bus, Some("virtio" | "nvme"));
    let source = disk.child("source")?;
    let path = source.attr("file").or_else(|| source.attr("dev"))?;
    (own && path.starts_with('/')).then(|| format!("disk {path}"))
}

/// The one controller, if it is of the file's own kind.
fn usb(device: &Element, domain: &Domain) -> Option<String> {
    if device.attr("model").is_some_and(|model| model.starts_with("ich9-")) {
        return None;
    }
    let driver = match domain.page.get("usb_controller", "model")?.as_str()? {
        model @ ("qemu-xhci" | "nec-usb-xhci") => model,
        "ehci" => "usb-ehci",
        "uhci" => "piix3-usb-uhci",
        _ => return None,
    };
    Some(format!("usb_controller {driver}"))
}

fn sound(model: &str) -> Option<&'static str> {
    Some(match model {
        "hda" => "ich9-intel-hda",
        "ich6" => "intel-hda",
        "ac97" => "AC97",
        "virtio" => "virtio-sound-pci",
        _ => return None,
    })
}

fn video(model: &str) -> Option<&'static str> {
    Some(match model {
        "std" => "VGA",
        "qxl" => "qxl-vga",
        "virtio" => "virtio-vga",
        "virtio-gl" => "virtio-vga-gl",
        "bochs" => "bochs-display",
        "cirrus" => "cirrus-vga",
        _ => return None,
    })
}
