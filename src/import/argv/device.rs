//! `-device` other than disks and network cards, `-usbdevice`, and what is left of `-object`.

use super::opt::{Opt, is_on};
use super::{Line, by_id, disk, display, named, net, push, sound};
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
        if disk::is_disk(opt) || net::is_card(opt) || display::is_card(&driver) || sound::is_card(&driver) {
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
                    opt.lost("without SPICE nothing redirects USB devices");
                }
            }
            _ if driver.starts_with("virtio-scsi") => self.scsi(opt),
            "ahci" | "ich9-ahci" | "piix3-ide" | "piix4-ide" => {
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
            "vhost-vsock-pci" => self.page.table("vsock").maybe("cid", opt.number("guest-cid").map(number)),
            "vhost-user-fs-pci" => self.virtiofs(opt),
            "virtio-9p-pci" => match opt.get("fsdev").and_then(|id| by_id(opts, "fsdev", id)) {
                Some(fsdev) => self.share(opt, fsdev),
                None => opt.lost("no folder is tied to it"),
            },
            "intel-iommu" | "amd-iommu" | "virtio-iommu-pci" => opt.lost("there is no virtual IOMMU"),
            _ => self.other(opt, &driver),
        }
    }

    /// A device that the profile has no table for, as JSON: QEMU makes others first, and they would take places of vmrun's.
    fn other(&mut self, opt: &Opt, driver: &str) {
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

    fn vfio(&mut self, opt: &Opt) {
        let given = opt.get("host").map(str::to_owned);
        let path = opt.get("sysfsdev").map(str::to_owned);
        let host = given.or_else(|| path.as_deref()?.strip_prefix("/sys/bus/pci/devices/").map(str::to_owned));
        let Some(host) = host else {
            return match path {
                Some(_) => self.other(opt, &opt.head),
                None => opt.lost("no address of the host is given"),
            };
        };
        let pc = !self.q35;
        let table = push(self.page, "pci", opt);
        match host.parse::<crate::unit::Bdf>() {
            Ok(bdf) => table.set("host", bdf.to_string()),
            Err(_) => {
                opt.asked(format!("which function `{host}` is"));
                table.ask(
                    &format!("the file computes the address: `{host}`. `lspci -D` lists them."),
                    "host = \"0000:01:00.0\"",
                );
                table.set("host", "0000:01:00.0");
            }
        }
        let bus = opt.get("bus").map(str::to_owned);
        let root = bus.as_deref().is_none_or(|bus| bus == "pci.0");
        if let Some(addr) = opt.get("addr") {
            match slot(addr).filter(|_| root && pc) {
                Some(addr) => table.set("addr", addr),
                None => opt.translated("behind a root port of its own, at an address that is the same at every start"),
            }
        } else if bus.is_some() {
            opt.translated("behind a root port of its own");
        }
        if opt.any(&["x-vga", "x_vga"]).is_some_and(is_on) {
            table.set("x_vga", true);
        }
        match opt.get("romfile") {
            Some("") => table.set("rom", "off"),
            Some(file) => table.set("rom", file),
            None => {}
        }
        table.maybe("rombar", opt.get("rombar").map(|on| on != "0" && on != "off"));
        let mut spoof = toml::Table::new();
        for (key, name) in [
            ("x-pci-vendor-id", "vendor_id"),
            ("x-pci-device-id", "device_id"),
            ("x-pci-sub-vendor-id", "sub_vendor_id"),
            ("x-pci-sub-device-id", "sub_device_id"),
        ] {
            if let Some(id) = opt.number(key).and_then(|id| i64::try_from(id).ok()) {
                spoof.insert(name.into(), id.into());
            }
        }
        if !spoof.is_empty() {
            table.set("spoof", spoof);
        }
        for (key, value) in opt.rest() {
            match key.as_str() {
                "id" | "multifunction" => {}
                "bootindex" => opt.lost("a passed card is booted from when no disk is"),
                "display" if value == "off" => {}
                _ => opt.lost(format!("{key}={value}: vmrun has nothing like it")),
            }
        }
    }

    fn usb_host(&mut self, opt: &Opt) {
        let ids = opt.any(&["vendorid"]).and_then(xml::number).zip(opt.get("productid").and_then(xml::number));
        let port = opt.get("hostbus").zip(opt.get("hostport")).map(|(bus, port)| format!("{bus}-{port}"));
        opt.any(&["hostaddr", "bus", "port", "isobufs", "isobsize", "loglevel", "pipeline"]);
        opt.rest();
        if ids.is_none() && port.is_none() {
            return self.unknown_usb(opt);
        }
        let reset = opt.flag("guest-reset");
        let table = push(self.page, "usb", opt);
        match (ids, port) {
            (Some((vendor, product)), _) => table.set("id", format!("{vendor:04x}:{product:04x}")),
            (None, Some(port)) => table.set("port", port),
            (None, None) => {}
        }
        if reset == Some(false) {
            table.set("guest_reset", false);
        }
    }

    fn unknown_usb(&mut self, opt: &Opt) {
        opt.asked("which USB device it is; its number changes with each plug");
        self.page.tail(format!(
            "To decide: `{}` named a USB device by its number, which changes with each plug. `lsusb` tells its ids:",
            opt.shown()
        ));
        self.page.tail("[[usb]]");
        self.page.tail("id = \"046d:c29b\"");
    }

    /// `-usbdevice`, which QEMU has only for its own devices today.
    fn usbdevice(&mut self, opt: &Opt) {
        let value = opt.value.as_str();
        let (kind, rest) = value.split_once(':').unwrap_or((value, ""));
        opt.rest();
        match kind {
            "tablet" | "mouse" | "keyboard" => {
                let name = if kind == "keyboard" { "usb-kbd".into() } else { format!("usb-{kind}") };
                self.input(opt, &name);
            }
            "host" => match rest.split_once(':') {
                Some((vendor, product)) => {
                    let hex = |text: &str| u16::from_str_radix(text.trim_start_matches("0x"), 16).ok();
                    match hex(vendor).zip(hex(product)) {
                        Some((vendor, product)) => {
                            push(self.page, "usb", opt).set("id", format!("{vendor:04x}:{product:04x}"));
                            opt.translated("usb; today's QEMU has no -usbdevice host");
                        }
                        None => self.unknown_usb(opt),
                    }
                }
                None => self.unknown_usb(opt),
            },
            "disk" => {
                let file = rest.rsplit(':').next().unwrap_or(rest).to_owned();
                let table = push(self.page, "disk", opt);
                table.set("file", file);
                table.set("format", "raw");
                table.set("bus", "usb");
                opt.translated("a disk on usb");
            }
            _ => opt.lost("vmrun has no such USB device"),
        }
    }

    fn controller(&mut self, opt: &Opt, driver: &str) {
        self.usb.push(driver.to_owned());
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

    fn input(&mut self, opt: &Opt, kind: &str) {
        opt.rest();
        push(self.page, "input", opt).set("kind", kind);
        if opt.name == "usbdevice" {
            opt.translated("input");
        }
    }

    fn scsi(&mut self, opt: &Opt) {
        opt.rest();
        opt.translated("made when a disk sits on it");
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

    fn channel(&mut self, opt: &Opt, opts: &[Opt]) {
        let name = opt.get("name").unwrap_or_default().to_owned();
        let chardev = opt.get("chardev").and_then(|id| by_id(opts, "chardev", id));
        opt.rest();
        match name.as_str() {
            "org.qemu.guest_agent.0" => {
                let path = chardev.and_then(|chardev| chardev.get("path")).map(str::to_owned);
                self.page.table("agent").maybe("path", path);
            }
            "com.redhat.spice.0" if self.page.get("display", "kind").and_then(toml::Value::as_str) == Some("spice") => {
                self.page.table("display").set("agent", true);
            }
            name => opt.lost(format!("a channel `{name}` is not to be had")),
        }
    }

    fn debugcon(&mut self, opt: &Opt, opts: &[Opt]) {
        let chardev = opt.get("chardev").and_then(|id| by_id(opts, "chardev", id));
        let path =
            chardev.filter(|chardev| chardev.head == "file").and_then(|chardev| chardev.get("path")).map(str::to_owned);
        opt.rest();
        match path.filter(|_| self.page.known("firmware").is_some()) {
            Some(path) => self.page.table("firmware").set("debug_log", path),
            None => opt.lost("the firmware's log goes to a file: firmware.debug_log"),
        }
    }

    fn tpm(&mut self, opt: &Opt, driver: &str) {
        opt.rest();
        let table = self.page.table("tpm");
        table.set("model", driver);
        if table.get("state").is_none() {
            opt.asked("where the TPM's state is: swtpm was started by something else");
            table.ask(
                "vmrun starts swtpm itself, with a new state unless it is told of the old one: disk encryption and sign-in of Windows hang on it.",
                "state = \"/path/of/--tpmstate\"",
            );
        } else {
            opt.translated("vmrun starts swtpm itself");
        }
    }

    fn shared_memory(&mut self, opt: &Opt, opts: &[Opt]) {
        let backend = opt.get("memdev").and_then(|id| by_id(opts, "object", id));
        let bytes = backend.and_then(|backend| backend.get("size")).and_then(|size| super::memory::amount(size, 1));
        let bytes = bytes.or_else(|| opt.get("size").and_then(|size| super::memory::amount(size, 1 << 20)));
        let path = backend.and_then(|backend| backend.get("mem-path")).map(str::to_owned);
        let path = path.or_else(|| opt.get("shm").map(|name| format!("/dev/shm/{name}")));
        backend.into_iter().for_each(|backend| _ = backend.rest());
        opt.rest();
        let table = self.page.table("looking_glass");
        table.set("size", size(bytes.unwrap_or(32 << 20)));
        table.maybe("path", path.filter(|path| path != "/dev/shm/looking-glass"));
    }

    fn virtiofs(&mut self, opt: &Opt) {
        let tag = opt.get("tag").unwrap_or("share").to_owned();
        let queue = opt.number("queue-size");
        opt.rest();
        let table = push(self.page, "share", opt);
        table.set("kind", "virtiofs");
        opt.asked("which folder it is: virtiofsd was started by something else");
        table.ask(
            "vmrun starts virtiofsd itself; the folder that it shares is the one of --shared-dir.",
            "source = \"/srv\"",
        );
        table.set("source", "/srv");
        table.set("tag", tag);
        table.set("readonly", true);
        table.maybe("queue_size", queue.map(number));
    }

    fn share(&mut self, opt: &Opt, folder: &Opt) {
        let table = push(self.page, "share", opt);
        table.set("kind", "9p");
        table.maybe("source", folder.get("path"));
        table.maybe("tag", opt.any(&["mount_tag"]));
        match folder.get("security_model") {
            Some("mapped") => table.set("security_model", "mapped-xattr"),
            Some(model) => table.set("security_model", model),
            None => table.set("security_model", "none"),
        }
        if folder.any(&["readonly"]).is_some_and(is_on) {
            table.set("readonly", true);
        }
        table.maybe("multidevs", folder.get("multidevs"));
        folder.any(&["writeout"]);
        opt.rest();
        folder.rest();
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
            "rng-random" | "rng-builtin" => _ = opt.rest(),
            kind if kind.starts_with("memory-backend-") => {}
            "secret" | "tls-creds-x509" | "throttle-group" | "thread-context" | "sev-guest" => {
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

/// `0x9`, `9`, `09.1` as a profile has it; `None` for what is the chipset's own.
fn slot(text: &str) -> Option<String> {
    let (device, function) = text.split_once('.').unwrap_or((text, "0"));
    let device =
        u8::from_str_radix(device.trim_start_matches("0x"), 16).ok().filter(|device| (2..32).contains(device))?;
    let function = u8::from_str_radix(function.trim_start_matches("0x"), 16).ok().filter(|function| *function < 8)?;
    Some(format!("{device:02x}.{function:x}"))
}
