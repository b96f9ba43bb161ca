//! `-machine`, `-accel`, `-name`, `-uuid`: which machine it is.

use super::opt::{Opt, is_on};
use super::{Line, Place, name_of, named};
use crate::import::{computed, unready};

impl Line<'_> {
    pub(super) fn machine(&mut self, opts: &[Opt]) {
        let mut accel = match self.place {
            Place::Whole { kvm: true } => Some("kvm".to_owned()),
            Place::Whole { kvm: false } | Place::Libvirt { .. } => None,
        };
        let mut typed = false;
        for opt in opts {
            match opt.name.as_str() {
                "machine" | "M" => typed |= self.machine_of(opt, &mut accel),
                "enable-kvm" => accel = Some("kvm".into()),
                "accel" => {
                    accel = Some(opt.head.clone());
                    for (key, value) in opt.rest() {
                        match key.as_str() {
                            "kernel-irqchip" | "kernel_irqchip" => self.irqchip(&value),
                            _ => opt.translated(format!("{key}: QEMU's own choice")),
                        }
                    }
                }
                "no-kvm" => accel = Some("tcg".into()),
                "no-acpi" => opt.lost("every PC of today has ACPI"),
                "no-hpet" => {
                    self.page.table("machine").set("hpet", false);
                    opt.translated("machine.hpet; QEMU 10 has no such option");
                }
                "no-kvm-irqchip" => opt.lost("KVM has its interrupt controller"),
                _ => {}
            }
        }
        if !self.whole() {
            return;
        }
        // QEMU's own choices.
        if !typed {
            self.page.table("machine").set("type", "pc");
        }
        match accel.as_deref() {
            Some("kvm") => self.page.table("machine").set("accel", "kvm"),
            Some(list) if list.contains("kvm") => self.page.table("machine").set("accel", "auto"),
            _ => self.page.table("machine").set("accel", "tcg"),
        }
        self.identity(opts);
    }

    /// Whether it says which machine it is.
    fn machine_of(&mut self, opt: &Opt, accel: &mut Option<String>) -> bool {
        let kind = if opt.head.is_empty() { opt.get("type").map(str::to_owned) } else { Some(opt.head.clone()) };
        if let Some(kind) = &kind {
            self.q35 = kind.contains("q35");
            let family = if self.q35 { "q35" } else { "pc" };
            let version = kind.strip_prefix("pc-q35-").or_else(|| kind.strip_prefix("pc-i440fx-"));
            let own = version.is_some_and(|it| it.contains('.') && it.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            let plain = own || matches!(kind.as_str(), "pc" | "q35");
            self.page.table("machine").set("type", if plain { kind.as_str() } else { family });
            match kind.as_str() {
                _ if plain => {}
                "microvm" | "isapc" | "none" | "xenfv" => opt.lost(format!("vmrun builds no `{kind}`")),
                _ => opt.translated(format!(
                    "`{kind}` is gone, or a distribution's own; `{family}` is the newest of its family"
                )),
            }
        }
        if let Some(given) = opt.get("accel") {
            *accel = Some(given.to_owned());
        }
        for (key, value) in opt.rest() {
            let on = is_on(&value);
            let machine = self.page.table("machine");
            match key.replace('_', "-").as_str() {
                "kernel-irqchip" => self.irqchip(&value),
                "mem-merge" if on => machine.set("mem_merge", true),
                "hpet" => machine.set("hpet", on),
                "vmport" if value != "auto" => machine.set("vmport", on),
                "smm" if value != "auto" => machine.set("smm", on),
                "pit" if value != "auto" => machine.set("pit", on),
                "mem-merge" | "vmport" | "smm" | "pit" | "dump-guest-core" | "graphics" | "i8042" | "usb" | "acpi"
                | "sata" | "smbus"
                    if key == "usb" || !matches!(key.as_str(), "acpi" | "sata" | "i8042" | "smbus") || on =>
                {
                    if key == "usb" && on {
                        self.usb.push("usb".into());
                    }
                }
                // Named by the backends themselves.
                "type" | "memory-backend" | "pflash0" | "pflash1" => {}
                "igd-passthru"
                | "kvm-shadow-mem"
                | "nvdimm"
                | "hmat"
                | "max-ram-below-4g"
                | "suppress-vmdesc"
                | "firmware"
                | "iommu"
                | "kvm-type"
                | "memory-encryption"
                | "confidential-guest-support" => {
                    opt.lost(format!("{key}={value}: vmrun has nothing like it"));
                }
                _ => opt.lost(format!("{key}={value}: vmrun has nothing like it")),
            }
        }
        kind.is_some()
    }

    fn irqchip(&mut self, value: &str) {
        let value = match value {
            "on" | "true" | "yes" => "on",
            "split" => "split",
            // QEMU refuses KVM without it.
            _ => return,
        };
        self.page.table("machine").set("kernel_irqchip", value);
    }

    fn identity(&mut self, opts: &[Opt]) {
        for opt in named(opts, "name") {
            let given = opt.get("guest").map_or_else(|| opt.head.clone(), str::to_owned);
            opt.get("process");
            opt.get("debug-threads");
            if !computed::parts(&given).is_empty() {
                continue;
            }
            let name = name_of(&given);
            if name != given {
                opt.translated(format!("`{name}`: a name is letters, digits, `-`, `_` and `.`"));
            }
            self.page.top().set("name", name);
        }
        let uuid = named(opts, "uuid").last();
        match uuid {
            Some(opt) => self.is_called(opt, &opt.value),
            // Read with the rest of that option.
            None if named(opts, "smbios").any(|opt| opt.value.contains("uuid=")) => {}
            None => {
                self.page.top().comment("QEMU without -uuid has this one; Windows is activated for it.");
                self.page.top().set("uuid", "00000000-0000-0000-0000-000000000000");
            }
        }
    }

    /// The guest's UUID, which `opt` gives.
    pub(super) fn is_called(&mut self, opt: &Opt, uuid: &str) {
        if unready::identity(self.page.top(), uuid) {
            opt.asked("which UUID the guest has");
        }
    }
}
