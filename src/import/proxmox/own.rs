//! What the profile has keys of its own for, and what is Proxmox's business alone.

use super::super::shell;
use super::{Fate, Guest, Page, Row, Value, drive};
use crate::import::MOST_VCPUS;
use crate::import::page::guest_name;

/// Keys that say nothing of the guest.
const NEEDLESS: [(&str, &str); 18] = [
    ("onboot", "a systemd unit starts it: contrib"),
    ("startup", "a systemd unit has an order"),
    ("autostart", "a systemd unit starts it"),
    ("lock", "a state of Proxmox's own"),
    ("protection", "a guard of Proxmox's own"),
    ("tags", "a note of Proxmox's own"),
    ("meta", "a note of Proxmox's own"),
    ("parent", "the snapshot that it came from"),
    ("snaptime", "the time of a snapshot"),
    ("template", "a note of Proxmox's own"),
    ("digest", "a checksum of the file"),
    ("hotplug", "what can be plugged while the guest runs, `vmrun usb` and `vmrun qmp` say"),
    ("migrate_downtime", "guests are not migrated"),
    ("migrate_speed", "guests are not migrated"),
    ("vmstatestorage", "states are not saved"),
    ("keyboard", "the viewer's own choice"),
    ("keephugepages", "huge pages that vmrun made it gives back"),
    ("spice_enhancements", "the viewer's own choice"),
];

/// Keys that the host may miss.
const LOST: [(&str, &str); 12] = [
    ("cpulimit", "vmrun sets no quotas; a systemd slice can have them"),
    ("cpuunits", "vmrun sets no weights; a systemd slice can have them"),
    ("shares", "vmrun sets no weights of memory"),
    ("vcpus", "all vCPUs are there from the start"),
    ("hookscript", "a script of Proxmox's own phases; make [[hook]] of what it does"),
    ("ivshmem", "[looking_glass] has shared memory"),
    ("freeze", "the guest starts at once"),
    ("startdate", "the clock starts with the host's time"),
    ("reboot", "`reboot` in [on]"),
    ("citype", "cloud-init is not fed"),
    ("ciuser", "cloud-init is not fed"),
    ("sshkeys", "cloud-init is not fed"),
];

/// How `-set` names what is passed.
const SET: &str = "device.hostpci";

/// The words of `args`.
pub(super) fn words(text: &str) -> Vec<String> {
    shell::read(text).commands.into_iter().flat_map(|command| command.words).map(|word| word.text).collect()
}

impl Guest<'_> {
    #[allow(clippy::too_many_lines, reason = "one arm for each key")]
    pub(super) fn setting(&mut self, row: &Row) -> Fate {
        let (key, text, line) = (row.key.as_str(), row.value.as_str(), row.line);
        if let Some((_, why)) = NEEDLESS.iter().find(|(known, _)| *known == key) {
            return Fate::Needless((*why).into());
        }
        if let Some((_, why)) = LOST.iter().find(|(known, _)| *known == key) {
            return Fate::Lost((*why).into());
        }
        match key {
            "name" => self.page.top().set("name", guest_name(text)),
            "memory" => {
                let amount = Value::of(text, "current").first.to_owned();
                self.push(line, &["-m", &amount]);
            }
            // Seen with others.
            "cores" | "sockets" | "cpu" | "ostype" | "boot" | "bootdisk" | "scsihw" | "balloon" | "vga" | "numa"
            | "tablet" => {}
            "machine" => self.machine(text, line),
            "bios" => return self.bios(text),
            "efidisk0" => return self.variables(text),
            "tpmstate0" => return self.tpm(text),
            "kvm" if text == "0" => self.page.table("machine").set("accel", "tcg"),
            "kvm" | "acpi" | "tdf" if text == "1" => {}
            "acpi" => return Fate::Lost("ACPI is always there".into()),
            "localtime" => self.page.table("clock").set("base", if text == "1" { "localtime" } else { "utc" }),
            "agent" if text.starts_with('0') || text.contains("enabled=0") => {}
            "agent" => _ = self.page.table("agent"),
            "hugepages" => {
                let size = if text == "1024" { "1G" } else { "2M" };
                self.page.table("memory").set("hugepages", size);
            }
            "affinity" => return self.affinity(text),
            "smbios1" => return self.smbios(text, line),
            // Proxmox: `qm.conf(5)`, 0 has none and 1 has one made up.
            "vmgenid" if text == "0" => {}
            "vmgenid" if text == "1" => _ = self.page.table("vmgenid"),
            "vmgenid" => self.page.table("vmgenid").set("guid", text),
            "rng0" => {
                let value = Value::of(text, "source");
                let source = value.first.to_owned();
                self.page.table("rng").set("source", source);
            }
            "watchdog" => {
                let value = Value::of(text, "model");
                let (model, action) = (value.first.to_owned(), value.get("action").map(str::to_owned));
                let table = self.page.table("watchdog");
                table.set("model", if model.is_empty() { "i6300esb".into() } else { model });
                table.maybe("action", action);
            }
            "audio0" => return self.audio(text),
            "description" => self.page.head(super::decoded(text)),
            "args" => {
                let words = words(text);
                let mut words = words.iter().peekable();
                while let Some(word) = words.next() {
                    // Of devices that are no options here.
                    if words.next_if(|value| word == "-set" && value.starts_with(SET)).is_none() {
                        self.push(line, &[word]);
                    }
                }
                return Fate::Translated("see the options, and the devices".into());
            }
            _ => return Fate::Lost("vmrun has nothing like it".into()),
        }
        Fate::Kept
    }

    fn machine(&mut self, text: &str, line: usize) {
        let value = Value::of(text, "type");
        let name = value.first.split('+').next().unwrap_or_default().to_owned();
        self.push(line, &["-machine", if name.is_empty() { "pc" } else { &name }]);
    }

    fn bios(&mut self, text: &str) -> Fate {
        if text == "ovmf" {
            _ = self.page.table("firmware");
            return Fate::Translated("[firmware]: UEFI, found on this host".into());
        }
        Fate::Kept
    }

    fn variables(&mut self, text: &str) -> Fate {
        let value = Value::of(text, "file");
        let path = drive::file(value.first).unwrap_or_else(|| value.first.to_owned());
        let table = self.page.table("firmware");
        if value.is_on("pre-enrolled-keys") {
            table.set("secure_boot", true);
        }
        table.ask(
            "the variables (boot entries, keys) are in a volume of Proxmox's; copied into a file of the firmware's size they go on:",
            &format!("nvram = \"{path}\""),
        );
        Fate::Asked("whether the firmware's variables are kept".into())
    }

    fn tpm(&mut self, text: &str) -> Fate {
        let volume = Value::of(text, "file").first.to_owned();
        let table = self.page.table("tpm");
        table.set("model", "tpm-tis");
        table.ask(
            &format!(
                "the TPM's secrets (BitLocker, sign-in of Windows) are in {volume}, as swtpm's file tpm2-00.permall:"
            ),
            "state = \"/path/of/its/folder\"",
        );
        Fate::Asked("whether the guest's secrets are kept: the state of its TPM is Proxmox's".into())
    }

    fn affinity(&mut self, text: &str) -> Fate {
        let number = |key: &str| self.value(key).and_then(|value| value.parse::<usize>().ok()).unwrap_or(1);
        let vcpus = number("cores").saturating_mul(number("sockets")).min(MOST_VCPUS);
        let all = vec![toml::Value::from(text); vcpus];
        let pins = self.page.table("cpu.pinning");
        pins.set("vcpus", all);
        pins.set("emulator", text);
        Fate::Translated("cpu.pinning: every thread on these host CPUs".into())
    }

    fn smbios(&mut self, text: &str, line: usize) -> Fate {
        let value = Value::of(text, "");
        if let Some(uuid) = value.get("uuid") {
            self.push(line, &["-uuid", uuid]);
        }
        let fields: Vec<_> = ["manufacturer", "product", "version", "serial", "sku", "family"]
            .into_iter()
            .filter_map(|key| Some((key, value.get(key)?)))
            .collect();
        if fields.is_empty() {
            return Fate::Kept;
        }
        if value.is_on("base64") {
            self.page
                .tail("To decide: names in SMBIOS are in base64; `base64 -d` tells them, [smbios.system] takes them:");
            fields.iter().for_each(|(key, text)| self.page.tail(format!("{key} = \"{text}\"")));
            return Fate::Asked("what the names are; they are in base64".into());
        }
        let fields: String = fields.iter().map(|(key, text)| format!(",{key}={text}")).collect();
        self.push(line, &["-smbios", &format!("type=1{fields}")]);
        Fate::Kept
    }

    fn audio(&mut self, text: &str) -> Fate {
        let value = Value::of(text, "device");
        let model = match value.get("device").unwrap_or(value.first) {
            "AC97" => "ac97",
            "intel-hda" => "ich6",
            _ => "hda",
        };
        let driver = if value.get("driver") == Some("none") { "none" } else { "spice" };
        let table = self.page.table("audio");
        table.set("model", model);
        table.set("driver", driver);
        Fate::Kept
    }

    /// What Proxmox does unless told.
    pub(super) fn what_is_not_said(&mut self) {
        if self.value("machine").is_none() {
            self.push(0, &["-machine", "pc"]);
        }
        if self.value("tablet") != Some("0") {
            self.push(0, &["-device", "usb-tablet"]);
        }
        if self.value("balloon") != Some("0") && !self.passes() {
            self.push(0, &["-device", "virtio-balloon-pci"]);
        }
        if self.is_windows() {
            self.push(0, &["-rtc", "base=localtime,driftfix=slew", "-global", "kvm-pit.lost_tick_policy=discard"]);
        }
        self.display();
    }

    fn display(&mut self) {
        let text = self.value("vga").unwrap_or_default().to_owned();
        let value = Value::of(&text, "type");
        let card = self.rows.iter().any(|row| row.key.starts_with("hostpci") && row.value.contains("x-vga=1"));
        let video = match value.first {
            "none" => return,
            kind if kind.starts_with("serial") => return,
            _ if card => return,
            "qxl" | "qxl2" | "qxl3" | "qxl4" => "qxl",
            "virtio" | "virtio-gl" => "virtio",
            "cirrus" => "cirrus",
            _ => "std",
        };
        self.shown = Some((if video == "qxl" { "spice" } else { "vnc" }, video));
    }
}

/// What the command line's translation does not know of: the sound goes nowhere without SPICE.
pub(super) fn after(page: &mut Page) {
    let spice = page.get("display", "kind").and_then(toml::Value::as_str) == Some("spice");
    if !spice && page.get("audio", "driver").and_then(toml::Value::as_str) == Some("spice") {
        page.table("audio").set("driver", "none");
    }
}
