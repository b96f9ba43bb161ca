//! The rest: clock, serial ports, SMBIOS, what a reboot does, what vmrun does itself.

use super::known::{ELSEWHERE, LOST, NEEDLESS, PASSED};
use super::opt::{Opt, is_on};
use super::{Line, by_id};
use crate::import::computed::parts;
use crate::import::xml::number;
use crate::unit::is_free_fw_cfg_name;

impl Line<'_> {
    pub(super) fn misc(&mut self, opts: &[Opt]) {
        for opt in opts {
            let of =
                |table: &[(&str, &'static str)]| table.iter().find(|(name, _)| *name == opt.name).map(|(_, why)| *why);
            if let Some(why) = of(NEEDLESS) {
                opt.needless(why);
                continue;
            }
            if let Some(why) = of(LOST) {
                if !opt.is_told() {
                    opt.lost(why);
                }
                continue;
            }
            match opt.name.as_str() {
                "rtc" => self.rtc(opt),
                "sandbox" => self.sandbox(opt),
                "localtime" => {
                    self.page.table("clock").set("base", "localtime");
                    opt.translated("clock.base; today's QEMU has no -localtime");
                }
                "serial" => self.serial(opt, opts),
                "parallel" if opt.value == "none" => opt.needless("there are no parallel ports"),
                "parallel" => opt.lost("there are no parallel ports"),
                "smbios" => self.smbios(opt),
                "fw_cfg" => {
                    let name = opt.get("name").map_or_else(|| opt.head.clone(), str::to_owned);
                    if !is_free_fw_cfg_name(&name) {
                        opt.rest();
                        opt.lost(format!("`{name}` is one of QEMU's own names; those of users begin with opt/"));
                        continue;
                    }
                    let table = self.page.push("fw_cfg");
                    table.set("name", name);
                    table.maybe("file", opt.get("file"));
                    table.maybe("string", opt.get("string"));
                }
                "acpitable" => match opt.get("file") {
                    Some(file) => self.page.push("acpi_table").set("file", file),
                    None => opt.lost("a table is a whole file: acpi_table.file"),
                },
                "watchdog" => {
                    self.page.table("watchdog").set("model", opt.value.clone());
                    opt.rest();
                    opt.translated("watchdog; today's QEMU has no -watchdog");
                }
                "watchdog-action" => self.page.table("watchdog").set("action", opt.value.clone()),
                "action" => self.action(opt),
                "no-reboot" => self.page.table("on").set("reboot", "exit"),
                "global" => self.global(opt),
                "debugcon" => match opt.value.strip_prefix("file:") {
                    Some(path) if self.page.known("firmware").is_some() => {
                        self.page.table("firmware").set("debug_log", path);
                    }
                    _ => opt.lost("the firmware's log goes to a file: firmware.debug_log"),
                },
                name if PASSED.contains(&name) => self.pass(opt),
                name if ELSEWHERE.contains(&name) => {}
                name => opt.lost(format!("QEMU has no option -{name} that is known here")),
            }
        }
    }

    fn sandbox(&mut self, opt: &Opt) {
        let kinds = ["obsolete", "elevateprivileges", "spawn", "resourcecontrol"];
        let allowed: Vec<_> = kinds.into_iter().filter(|kind| opt.get(kind) == Some("allow")).collect();
        opt.rest();
        match allowed[..] {
            [] => opt.needless("every guest has it"),
            _ => opt.translated("qemu.sandbox_allow"),
        }
        allowed.into_iter().for_each(|kind| self.page.table("qemu").add("sandbox_allow", kind));
    }

    fn rtc(&mut self, opt: &Opt) {
        let table = self.page.table("clock");
        match opt.get("base") {
            Some(base @ ("utc" | "localtime")) => table.set("base", base),
            Some(other) => {
                let text = format!("the clock starts with the host's time, not with `{other}`");
                opt.lost(text);
            }
            None => {}
        }
        table.maybe("clock", opt.get("clock").filter(|clock| matches!(*clock, "host" | "rt" | "vm")));
        table.maybe("driftfix", opt.get("driftfix"));
    }

    fn serial(&mut self, opt: &Opt, opts: &[Opt]) {
        opt.rest();
        let (kind, rest) = opt.value.split_once(':').unwrap_or((&opt.value, ""));
        match kind {
            "none" => {}
            "chardev" => {
                let chardev = by_id(opts, "chardev", rest);
                let (kind, path) =
                    chardev.map_or(("null".into(), None), |it| (it.head.clone(), it.get("path").map(str::to_owned)));
                self.serial_to(opt, &kind, path);
            }
            "file" => self.serial_to(opt, "file", Some(rest.to_owned())),
            "unix" => self.serial_to(opt, "socket", rest.split(',').next().map(str::to_owned)),
            kind => self.serial_to(opt, kind, None),
        }
    }

    /// A serial port to what a chardev of `kind` is.
    pub(super) fn serial_to(&mut self, opt: &Opt, kind: &str, path: Option<String>) {
        let taken = self.page.list("serial").iter().any(|port| port.text("to") == Some("console"));
        let table = self.page.push("serial");
        match (kind, path) {
            ("file", Some(path)) => {
                table.set("to", "file");
                table.set("path", path);
            }
            ("socket", Some(path)) => {
                table.set("to", "socket");
                table.set("path", path);
            }
            ("null", _) => table.set("to", "none"),
            _ if !taken => {
                table.set("to", "console");
                opt.translated("`vmrun console` shows it");
            }
            _ => {
                table.set("to", "none");
                opt.lost("a second port to a terminal: to = \"socket\" with a path is to be had");
            }
        }
    }

    fn smbios(&mut self, opt: &Opt) {
        if let Some(file) = opt.get("file") {
            let from = if file.starts_with('/') { "" } else { "; its path counts from where vmrun is started" };
            return self.smbios_passed_on(opt, from);
        }
        let kind = opt.get("type").unwrap_or_default().to_owned();
        let table = match kind.as_str() {
            "0" => "smbios.bios",
            "1" => "smbios.system",
            "2" => "smbios.board",
            "3" => "smbios.chassis",
            "4" => "smbios.processor",
            "17" => "smbios.memory",
            "11" => {
                for text in opt.all("value") {
                    self.page.table("smbios").add("oem_strings", text);
                }
                return;
            }
            // Ports, slots and devices on the board, which a profile has no words for. QEMU has had slots since 9.0, and an
            // older one refuses them as it refused the script.
            "8" | "9" | "41" => return self.smbios_passed_on(opt, ""),
            _ => return opt.lost("vmrun has no such table"),
        };
        let fields = opt.rest();
        // QEMU makes these two only when it is asked for them, be it without a word of theirs. `hw/smbios/smbios.c`.
        match kind.as_str() {
            "0" if fields.is_empty() => opt.lost("the firmware's own table stands, unless smbios.bios has a field"),
            "2" if fields.is_empty() && self.page.known(table).is_none() => {
                self.page.table(table).set("manufacturer", "QEMU");
                opt.translated("smbios.board with a field that QEMU fills in so");
            }
            _ => {}
        }
        for (key, value) in fields {
            let key = key.replace('-', "_");
            match key.as_str() {
                // To QEMU it is the same as -uuid. `hw/smbios/smbios.c`, smbios_entry_add.
                "uuid" => self.is_called(opt, &value),
                _ if value.is_empty() => opt.needless("a field without text is one that is not given"),
                key if is_number(key) && number(&value).is_none() && parts(&value).is_empty() => {
                    opt.lost(format!("{key}={value}: QEMU takes a number only"));
                }
                key if crate::import::libvirt::knows(table, key) => self.page.table(table).set(key, value),
                key => opt.lost(format!("{key}={value}: vmrun has nothing like it")),
            }
        }
    }

    fn smbios_passed_on(&mut self, opt: &Opt, note: &str) {
        opt.rest();
        self.args.extend(["-smbios".to_owned(), opt.value.clone()]);
        opt.translated(format!("passed on in [qemu] args{note}"));
    }

    fn action(&mut self, opt: &Opt) {
        match opt.get("reboot") {
            Some("shutdown") => self.page.table("on").set("reboot", "exit"),
            Some("reset") => self.page.table("on").set("reboot", "reset"),
            _ => {}
        }
        match opt.get("panic") {
            Some("pause") => self.page.table("on").set("panic", "pause"),
            Some("none") => opt.lost("panic=none: a guest that panicked ends, or is paused"),
            _ => {}
        }
        if let Some(action) = opt.get("watchdog") {
            self.page.table("watchdog").set("action", action);
        }
        opt.get("shutdown");
    }

    fn global(&mut self, opt: &Opt) {
        let pair = opt.get("driver").zip(opt.get("property")).map(|(driver, property)| format!("{driver}.{property}"));
        let (name, value) = match pair {
            Some(name) => (name, opt.get("value").unwrap_or_default().to_owned()),
            None => opt.rest().into_iter().next().unwrap_or_default(),
        };
        let off = matches!(value.as_str(), "1" | "on" | "true");
        match name.as_str() {
            "ICH9-LPC.disable_s3" | "PIIX4_PM.disable_s3" => self.page.table("machine").set("s3", !off),
            "ICH9-LPC.disable_s4" | "PIIX4_PM.disable_s4" => self.page.table("machine").set("s4", !off),
            "kvm-pit.lost_tick_policy" if value == "delay" || value == "discard" => {
                self.page.table("clock").set("lost_tick_policy", value);
            }
            "cfi.pflash01.secure" => {}
            "ICH9-LPC.noreboot" => match off {
                true => opt.needless("the chipset's watchdog is held anyway"),
                false => self.page.table("watchdog").set("model", "itco"),
            },
            "cpu.kvm" => self.page.table("cpu").set("hide_kvm", !is_on(&value)),
            _ => {
                opt.rest();
                self.args.extend(["-global".to_owned(), opt.value.clone()]);
                opt.translated("passed on in [qemu] args");
            }
        }
    }
}

/// Whether the field `key` of an SMBIOS table is a number. QEMU: `hw/smbios/smbios.c`.
fn is_number(key: &str) -> bool {
    matches!(key, "max_speed" | "current_speed" | "processor_id" | "speed")
}
