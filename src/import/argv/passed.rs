//! Devices of the host that the guest is given: `-device vfio-pci`, `usb-host`, `-usbdevice`.

use super::opt::{Opt, is_on};
use super::{Line, push};
use crate::import::xml;
use uuid::Uuid;

impl Line<'_> {
    fn mdev(&mut self, opt: &Opt, uuid: &str) {
        if opt.get("bus").is_some() || opt.get("addr").is_some() {
            opt.translated("behind a root port of its own");
        }
        let table = push(self.page, "mdev", opt);
        table.set("uuid", uuid);
        table.maybe("display", opt.get("display").filter(|display| *display != "auto").map(is_on));
        if opt.get("ramfb").is_some_and(is_on) {
            table.set("ramfb", true);
        }
        let own = ["sysfsdev", "id", "multifunction", "iommufd", "addr", "bus"];
        let others = opt.rest().into_iter().filter(|(key, _)| !own.contains(&key.as_str()));
        others.for_each(|(key, value)| table.property(&key, &value));
    }

    pub(super) fn vfio(&mut self, opt: &Opt) {
        let given = opt.get("host").map(str::to_owned);
        let path = opt.get("sysfsdev").map(str::to_owned);
        // Below its parent too, whose folder has those that are made of it.
        let made = path.as_deref().and_then(|path| path.rsplit('/').next()).filter(|name| name.parse::<Uuid>().is_ok());
        if let Some(uuid) = made {
            return self.mdev(opt, uuid);
        }
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
                table.put_off(format!("`{host}` is no address; `lspci -D` lists those of this host."));
                table.set("host", host.as_str());
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
        if opt.get("iommufd").is_some() {
            table.set("iommufd", true);
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
                "display" if value == "off" => {}
                // Quirks of cards have names of QEMU's own, and are its business.
                _ => table.property(&key, &value),
            }
        }
    }

    pub(super) fn usb_host(&mut self, opt: &Opt) {
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
        self.page.tail("id = \"VENDOR:PRODUCT\"");
    }

    /// `-usbdevice`, which QEMU has only for its own devices today.
    pub(super) fn usbdevice(&mut self, opt: &Opt) {
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
}

/// `0x9`, `9`, `09.1` as a profile has it; `None` for what is the chipset's own.
fn slot(text: &str) -> Option<String> {
    let (device, function) = text.split_once('.').unwrap_or((text, "0"));
    let device =
        u8::from_str_radix(device.trim_start_matches("0x"), 16).ok().filter(|device| (2..32).contains(device))?;
    let function = u8::from_str_radix(function.trim_start_matches("0x"), 16).ok().filter(|function| *function < 8)?;
    Some(format!("{device:02x}.{function:x}"))
}
