//! `hostpciN`: cards of the host, and parts of them.

use super::own::words;
use super::{Fate, Guest, Row, Value};

impl Guest<'_> {
    pub(super) fn hostpci(&mut self, row: &Row) -> Fate {
        let value = Value::of(&row.value, "host");
        let mapping = value.get("mapping");
        let sets = self.value("args").map(words).unwrap_or_default();
        let prefix = format!("device.{}.", row.key);
        if let Some(kind) = value.get("mdev") {
            let whole = if value.first.matches(':').count() == 2 { "" } else { "0000:" };
            let table = self.page.push("mdev");
            table.set("parent", mapping.map_or_else(|| format!("{whole}{}", value.first), str::to_owned));
            table.set("type", kind);
            if let Some(mapping) = mapping {
                table.put_off(format!(
                    "`{mapping}` is a mapping of Proxmox's; `mdevctl types` tells the card's address:"
                ));
                return Fate::Asked("which device it is: only Proxmox knows its mappings".into());
            }
            return Fate::Translated("an [[mdev]], a part of the card".into());
        }
        for host in mapping.unwrap_or(value.first).split(';') {
            let whole = if host.matches(':').count() == 2 { host.to_owned() } else { format!("0000:{host}") };
            let table = self.page.push("pci");
            if mapping.is_some() {
                table.put_off(format!("`{host}` is a mapping of Proxmox's. `lspci -D` tells the address of the card:"));
                table.set("device", host);
            } else {
                table.set(if host.contains('.') { "host" } else { "device" }, whole);
            }
            if value.is_on("x-vga") {
                table.set("x_vga", true);
            }
            // Drivers of Intel's graphics look for it there. Source: `PVE/QemuServer/PCI.pm`.
            if value.is_on("legacy-igd") {
                table.set("addr", "02.0");
            }
            if value.get("rombar") == Some("0") {
                table.set("rombar", false);
            }
            for (key, value) in sets.iter().filter_map(|set| set.strip_prefix(&prefix)?.split_once('=')) {
                match key {
                    "addr" => table.set("addr", value),
                    key => table.property(key, value),
                }
            }
            table.maybe("rom", value.get("romfile").map(|file| format!("/usr/share/kvm/{file}")));
        }
        if mapping.is_some() {
            return Fate::Asked("which device it is: only Proxmox knows its mappings".into());
        }
        Fate::Kept
    }
}
