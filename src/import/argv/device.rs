//! `-device` other than disks and network cards, `-usbdevice`, and what is left of `-object`.

use super::opt::Opt;
use super::{Line, by_id, card, disk, named, net, push, sound};
use crate::import::page::{number, size};
use crate::import::xml;
use serde_json::{Map, Value, json};

impl Line<'_> {
    pub(super) fn devices(&mut self, opts: &[Opt]) {
        for opt in opts {
            match opt.name.as_str() {
                "device" => self.device(opt, opts),
                "usbdevice" => self.usbdevice(opt),
                "usb" => {
                    self.usb.push("usb".into());
                    if self.q35 {
                        opt.translated("one controller for devices of all speeds");
                    }
                }
                "object" => self.object(opt, opts),
                "virtfs" => self.share(opt, opt),
                "fsdev" | "chardev" | "tpmdev" => {
                    // Named by a device.
                    opt.rest();
                }
                "tpm" => opt.lost("QEMU has no such option"),
                _ => {}
            }
        }
    }

    fn device(&mut self, opt: &Opt, opts: &[Opt]) {
        let driver =
            if opt.head.is_empty() { opt.get("driver").unwrap_or_default().to_owned() } else { opt.head.clone() };
        if disk::is_disk(opt) || net::is_card(opt) || card::is_card(&driver) || sound::is_card(&driver) {
            return;
        }
        match driver.as_str() {
            "vfio-pci" | "vfio-pci-nohotplug" => self.vfio(opt),
            "usb-host" => self.usb_host(opt),
            "pcie-root-port" | "ioh3420" | "pci-bridge" | "x3130-upstream" | "xio3130-downstream"
            | "i82801b11-bridge" | "pcie-pci-bridge" | "pxb" | "pxb-pcie" | "dmi-to-pci-bridge" => {
                opt.rest();
                opt.translated("each device has a root port of its own, or sits on the root bus");
            }
            "qemu-xhci" | "nec-usb-xhci" | "usb-ehci" | "piix3-usb-uhci" | "piix4-usb-uhci" | "pci-ohci" => {
                self.controller(opt, &driver);
            }
            _ if driver.starts_with("ich9-usb-") => self.controller(opt, &driver),
            "usb-hub" => opt.needless("the controller has sockets enough"),
            "usb-tablet" | "usb-mouse" | "usb-kbd" => self.input(opt, &driver),
            "virtio-keyboard-pci"
            | "virtio-mouse-pci"
            | "virtio-tablet-pci"
            | "virtio-keyboard"
            | "virtio-mouse"
            | "virtio-tablet" => {
                self.input(opt, driver.trim_end_matches("-pci"));
            }
            "usb-redir" => {
                let display = self.page.table("display");
                if display.text("kind") == Some("spice") {
                    let count = display.get("usb_redirect").and_then(toml::Value::as_integer).unwrap_or(0);
                    display.set("usb_redirect", count + 1);
                    opt.rest();
                } else {
                    opt.needless("without SPICE nothing redirects USB devices");
                }
            }
            _ if driver.starts_with("virtio-scsi") => {
                opt.rest();
                opt.translated("made when a disk sits on it");
            }
            "ahci" | "usb-bot" | "ich9-ahci" | "piix3-ide" | "piix4-ide" => {
                opt.rest();
                opt.translated("made when a disk sits on it");
            }
            _ if ["lsi", "megasas", "mptsas", "pvscsi", "am53c974"].iter().any(|it| driver.starts_with(it)) => {
                opt.lost("disks sit on virtio-scsi instead; the guest needs its driver first");
            }
            "virtio-balloon-pci" | "virtio-balloon" => {
                opt.rest();
                match self.passed {
                    true => opt.translated(
                        "no balloon: passed devices pin all of the guest's memory, so that it could give nothing back",
                    ),
                    false => self.page.table("memory").set("balloon", true),
                }
            }
            "virtio-rng-pci" | "virtio-rng" => self.rng(opt, opts),
            "virtio-serial-pci" | "virtio-serial" => {
                opt.rest();
                opt.translated("made when a channel needs it");
            }
            "virtserialport" => self.channel(opt, opts),
            "isa-serial" => {
                let chardev = opt.get("chardev").and_then(|id| by_id(opts, "chardev", id));
                opt.rest();
                let (kind, path) =
                    chardev.map_or(("null".into(), None), |it| (it.head.clone(), it.get("path").map(str::to_owned)));
                self.serial_to(opt, &kind, path);
            }
            "isa-debugcon" => self.debugcon(opt, opts),
            "tpm-tis" | "tpm-crb" => self.tpm(opt, &driver),
            "ivshmem-plain" | "ivshmem" => self.shared_memory(opt, opts),
            "i6300esb" | "ib700" => {
                opt.rest();
                self.page.table("watchdog").set("model", driver);
            }
            "pvpanic" | "pvpanic-pci" => {
                opt.rest();
                opt.translated("what a panic does is `panic` in [on]");
            }
            "vmgenid" => {
                let guid = opt.get("guid").filter(|guid| *guid != "auto").map(str::to_owned);
                self.page.table("vmgenid").maybe("guid", guid);
            }
            "vhost-vsock-pci" => {
                opt.any(&["bus", "addr"]);
                self.page.table("vsock").maybe("cid", opt.number("guest-cid").map(number));
            }
            "vhost-user-fs-pci" => self.virtiofs(opt),
            "virtio-9p-pci" => match opt.get("fsdev").and_then(|id| by_id(opts, "fsdev", id)) {
                Some(fsdev) => self.share(opt, fsdev),
                None => opt.lost("no folder is tied to it"),
            },
            "intel-iommu" | "amd-iommu" | "virtio-iommu-pci" => self.iommu(opt, &driver),
            _ => self.other(opt, &driver),
        }
    }

    /// A device that the profile has no table for, as JSON: QEMU makes others first, and they would take places of vmrun's.
    pub(super) fn other(&mut self, opt: &Opt, driver: &str) {
        let mut device = Map::new();
        device.insert("driver".into(), json!(driver));
        for (key, value) in opt.pairs() {
            // Places and buses are dealt out anew.
            if !matches!(key.as_str(), "bus" | "addr" | "driver") {
                device.insert(key.clone(), typed(&key, &value));
            }
        }
        opt.comments.iter().for_each(|text| self.page.table("qemu").comment(text.clone()));
        self.args.extend(["-device".to_owned(), Value::Object(device).to_string()]);
        opt.translated("passed on in [qemu] args");
    }

    pub(super) fn controller(&mut self, opt: &Opt, driver: &str) {
        self.usb.push(driver.to_owned());
        if self.q35 && driver.contains("uhci") {
            opt.translated("qemu-xhci, which takes devices of all speeds");
        } else if driver.contains("ehci") {
            opt.translated("qemu-xhci: a USB 2 controller takes slower devices only with companions");
        }
        let ports = opt.any(&["p2", "p3"]).and_then(xml::number);
        if let Some(ports) = ports {
            self.page.table("usb_controller").set("ports", number(ports.clamp(1, 15)));
        }
        for (key, value) in opt.rest() {
            if !matches!(key.as_str(), "id" | "masterbus" | "firstport" | "multifunction" | "addr" | "bus") {
                opt.translated(format!("{key}={value}: QEMU's own choice"));
            }
        }
    }

    /// The one controller: the quickest of those that there were.
    pub(super) fn usb_controllers(&mut self) {
        let has = |name: &str| self.usb.iter().any(|model| model == name);
        let model = if has("nec-usb-xhci") {
            "nec-usb-xhci"
        } else if has("qemu-xhci") || self.usb.iter().any(|model| model.contains("ehci")) {
            "qemu-xhci"
        } else if self.usb.is_empty() {
            return;
        } else if self.q35 {
            "qemu-xhci"
        } else {
            "uhci"
        };
        let many = self.usb.len() > 1;
        let names = self.usb.join(", ");
        let table = self.page.table("usb_controller");
        table.set("model", model);
        if many {
            table.comment(format!("One for devices of all speeds; the file has {names}."));
        }
        if model == "uhci" {
            table.remove("ports");
        }
    }

    pub(super) fn input(&mut self, opt: &Opt, kind: &str) {
        opt.rest();
        push(self.page, "input", opt).set("kind", kind);
        if opt.name == "usbdevice" {
            opt.translated("input");
        }
    }

    fn rng(&mut self, opt: &Opt, opts: &[Opt]) {
        let object = opt.get("rng").and_then(|id| by_id(opts, "object", id));
        let source = object.and_then(|object| object.get("filename")).map(str::to_owned);
        let (bytes, period) = (opt.number("max-bytes"), opt.number("period").unwrap_or(1000).max(1));
        opt.rest();
        let table = self.page.table("rng");
        table.maybe("source", source);
        table.maybe("rate", bytes.map(|bytes| size((bytes.saturating_mul(1000) / period).max(1))));
    }

    fn object(&mut self, opt: &Opt, opts: &[Opt]) {
        match opt.head.as_str() {
            "input-linux" => {
                let table = push(self.page, "input", opt);
                table.set("kind", "evdev");
                table.maybe("device", opt.get("evdev"));
                for key in ["grab_all", "repeat"] {
                    if opt.flag(key) == Some(true) {
                        table.set(key, true);
                    }
                }
                table.maybe("grab_toggle", opt.get("grab-toggle"));
            }
            "iothread" => {
                let id = opt.get("id").unwrap_or_default();
                let used = named(opts, "device").any(|device| device.get("iothread") == Some(id));
                opt.rest();
                if !used {
                    opt.needless("no disk names it");
                }
            }
            "iommufd" => {
                let id = opt.get("id").unwrap_or_default();
                let used = named(opts, "device").any(|device| device.get("iommufd") == Some(id));
                opt.rest();
                if !used {
                    opt.needless("no passed device names it");
                }
            }
            "rng-random" | "rng-builtin" => _ = opt.rest(),
            kind if kind.starts_with("memory-backend-") => {}
            "throttle-group" => {
                let id = opt.get("id").unwrap_or_default();
                let used = named(opts, "blockdev").any(|node| node.get("throttle-group") == Some(id));
                opt.rest();
                if !used {
                    opt.needless("no disk is in it");
                }
            }
            "thread-context" => {
                opt.rest();
                opt.needless("vmrun makes one itself, by the pins and the nodes of the memory");
            }
            "secret" | "tls-creds-x509" | "sev-guest" => {
                opt.lost("vmrun has nothing like it");
            }
            _ => self.pass(opt),
        }
    }
}

/// A value as JSON has it: what is a number or a switch to QEMU must be one.
fn typed(key: &str, value: &str) -> Value {
    // Switches that know a third state are texts.
    let text = matches!(
        key,
        "disable-legacy" | "display" | "id" | "serial" | "msi" | "msix" | "name" | "chardev" | "osk" | "evdev" | "uuid"
    );
    match value {
        _ if text => json!(value),
        "on" | "true" | "yes" => json!(true),
        "off" | "false" | "no" => json!(false),
        _ => xml::number(value).map_or_else(|| json!(value), |number| json!(number)),
    }
}
