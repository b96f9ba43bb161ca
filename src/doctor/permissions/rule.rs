//! Rules of udev; `udev(7)`.

use crate::plan::{Access, Contents, Descriptor, Lot, Opens, TapFrom, UsbWanted, UsbWhich};
use std::collections::BTreeSet;
use std::path::Path;

/// Rules, and the groups that they speak of.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) lines: Vec<String>,
    pub(super) groups: BTreeSet<&'static str>,
}

/// Nodes that several guests and programs use, with the group that distributions give them to.
const SHARED: [(&str, &str); 4] =
    [("/dev/kvm", "kvm"), ("/dev/vhost-net", "kvm"), ("/dev/vhost-vsock", "kvm"), ("/dev/iommu", "kvm")];

/// The rules by which `user` may open what the guest's QEMU opens, and the keyboard that vmrun listens at.
pub(super) fn all(contents: &Contents, user: &str) -> Rules {
    let mut rules = Rules::default();
    for one in &contents.opens {
        rules.node(one, user);
    }
    if let Some(chord) = &contents.panic_key {
        let at = "on.panic_key.device".to_owned();
        rules.node(&Opens { at, path: chord.device.clone(), access: Access::Read, lot: Lot::Device }, user);
    }
    for usb in &contents.usb {
        rules.usb(usb, user);
    }
    for descriptor in &contents.descriptors {
        rules.descriptor(descriptor);
    }
    rules
}

impl Rules {
    fn push(&mut self, at: &str, rule: String) {
        if self.lines.contains(&rule) {
            return;
        }
        let note = format!("# {at}");
        if self.lines.iter().rev().find(|line| line.starts_with('#')) != Some(&note) {
            self.lines.push(note);
        }
        self.lines.push(rule);
    }

    fn shared(&mut self, at: &str, name: &str, group: &'static str) {
        self.groups.insert(group);
        self.push(at, format!("KERNEL==\"{name}\", SUBSYSTEM==\"misc\", GROUP=\"{group}\", MODE=\"0660\""));
    }

    fn node(&mut self, Opens { at, path, .. }: &Opens, user: &str) {
        let Some(path) = path.to_str() else { return };
        if let Some(&(_, group)) = SHARED.iter().find(|(shared, _)| *shared == path) {
            return self.shared(at, path.trim_start_matches("/dev/"), group);
        }
        if let Some(function) =
            path.strip_prefix("/sys/bus/pci/devices/").and_then(|rest| rest.strip_suffix("/vfio-dev"))
        {
            return self.push(at, format!("SUBSYSTEM==\"vfio-dev\", KERNELS==\"{function}\", OWNER=\"{user}\""));
        }
        match path.strip_prefix("/dev/") {
            Some("vfio/vfio") => self.push(at, "KERNEL==\"vfio\", SUBSYSTEM==\"misc\", MODE=\"0666\"".into()),
            Some("urandom" | "random") | None => {}
            // By their ids, see `usb`.
            Some(usb) if usb.starts_with("bus/usb/") => {}
            Some(name) if name.starts_with("dri/") => {
                self.groups.insert("render");
                let name = name.trim_start_matches("dri/");
                self.push(at, format!("KERNEL==\"{name}\", SUBSYSTEM==\"drm\", GROUP=\"render\", MODE=\"0660\""));
            }
            Some(group) if group.starts_with("vfio/") => {
                let number = group.trim_start_matches("vfio/");
                self.push(at, format!("KERNEL==\"{number}\", SUBSYSTEM==\"vfio\", OWNER=\"{user}\""));
            }
            // What is in a folder of links is known by the link.
            Some(link) if is_link(link) => self.push(at, format!("SYMLINK==\"{link}\", OWNER=\"{user}\"")),
            Some(name) => {
                let kernel = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
                self.push(at, format!("KERNEL==\"{kernel}\", OWNER=\"{user}\""));
            }
        }
    }

    fn usb(&mut self, UsbWanted { at, which, .. }: &UsbWanted, user: &str) {
        let UsbWhich { id, port, serial } = which;
        let mut matches = vec!["SUBSYSTEM==\"usb\"".to_owned(), "ENV{DEVTYPE}==\"usb_device\"".to_owned()];
        matches.extend(port.iter().map(|port| format!("KERNEL==\"{port}\"")));
        matches.extend(id.iter().flat_map(|id| {
            [
                format!("ATTR{{idVendor}}==\"{:04x}\"", id.vendor()),
                format!("ATTR{{idProduct}}==\"{:04x}\"", id.product()),
            ]
        }));
        matches.extend(serial.iter().map(|serial| format!("ATTR{{serial}}==\"{serial}\"")));
        self.push(at, format!("{}, OWNER=\"{user}\"", matches.join(", ")));
    }

    fn descriptor(&mut self, descriptor: &Descriptor) {
        match descriptor {
            Descriptor::VhostNet => self.shared("net", "vhost-net", "kvm"),
            Descriptor::Tap(tap) if matches!(tap.from, TapFrom::Existing(_)) => {
                self.push("net", "KERNEL==\"tun\", SUBSYSTEM==\"misc\", MODE=\"0666\"".into());
            }
            _ => {}
        }
    }
}

/// Folders of `/dev` that udev fills with links.
fn is_link(name: &str) -> bool {
    let folder = Path::new(name).parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder.to_string_lossy().starts_with("by-"))
}
