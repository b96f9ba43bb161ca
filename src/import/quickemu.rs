//! quickemu: a `.conf` of shell variables, read as what quickemu makes of it: a command line of QEMU, which
//! [`super::argv`] translates. Source: `quickemu(1)` and the script of that name.

use super::argv::{self, Place, Word};
use super::page::{Page, guest_name};
use super::report::{Fate, Report};
use crate::plan::Problem;

/// A variable: its name, its values (one unless it is an array), its line.
struct Row {
    name: String,
    values: Vec<String>,
    line: usize,
}

/// Whether `text` is such a file.
pub(super) fn is_one(text: &str) -> bool {
    let rows = rows(text);
    let has = |name: &str| rows.iter().any(|row| row.name == name);
    has("disk_img") && (has("guest_os") || has("iso") || has("ram"))
}

/// The profile's text, and what became of each line.
#[allow(clippy::unnecessary_wraps, reason = "as the other formats")]
pub(super) fn import(name: &str, text: &str) -> Result<(String, Report), Problem> {
    let (mut page, mut report) = (Page::default(), Report::default());
    page.head(format!("Made by `vmrun import` of {name}. `vmrun check` says whether it can run here."));
    let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".conf");
    page.top().set("name", guest_name(stem));
    let rows = rows(text);
    let mut guest = Guest { rows: &rows, words: Vec::new(), display: "gtk", page: &mut page };
    guest.base();
    for row in &rows {
        let fate = guest.row(row);
        report.note(row.line, format!("{}={}", row.name, row.values.join(" ")), fate);
    }
    let (words, kind) = (guest.words, guest.display);
    argv::import(&words, &[], Place::Whole { kvm: true }, &mut page, &mut report);
    let display = page.table("display");
    display.set("kind", kind);
    display.set("video", "virtio");
    Ok((page.render(), report.sorted()))
}

fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().zip(1..);
    let rows = lines.filter_map(|(text, line)| {
        let (name, value) = text.trim().split_once('=')?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (!name.is_empty() && name.chars().all(plain)).then(|| Row { name: name.into(), values: values(value), line })
    });
    rows.collect()
}

/// `"a"`, `a`, `("a" "b")`, without what the shell would compute.
fn values(text: &str) -> Vec<String> {
    let text = text.trim().trim_start_matches('(').trim_end_matches(')');
    let words = super::shell::read(text).commands.into_iter().flat_map(|command| command.words);
    words.map(|word| word.text).collect()
}

struct Guest<'g> {
    rows: &'g [Row],
    words: Vec<Word>,
    /// How the guest is shown.
    display: &'static str,
    page: &'g mut Page,
}

impl Guest<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.rows.iter().find(|row| row.name == name)?.values.first().map(String::as_str)
    }

    fn push(&mut self, line: usize, words: &[&str]) {
        self.words.extend(words.iter().map(|word| Word::plain(word, line)));
    }

    fn is_windows(&self) -> bool {
        self.value("guest_os").is_some_and(|name| name.starts_with("windows"))
    }

    /// What every guest of quickemu's gets.
    fn base(&mut self) {
        let secure = self.value("secureboot") == Some("on");
        let smm = if secure { "on" } else { "off" };
        self.push(0, &["-nodefaults", "-machine", &format!("q35,smm={smm},vmport=off"), "-cpu", self.cpu()]);
        let cores = self.value("cpu_cores").unwrap_or("4").to_owned();
        self.push(0, &["-smp", &format!("cores={cores},threads=1,sockets=1")]);
        let ram = self.value("ram").unwrap_or("4G").to_owned();
        let clock = if self.is_windows() { "base=localtime,clock=host,driftfix=slew" } else { "base=utc,clock=host" };
        let more = ["-m", &ram, "-rtc", clock, "-device", "virtio-balloon-pci", "-device", "virtio-rng-pci"];
        self.push(0, &more);
        self.input();
        self.network();
        if self.value("boot") != Some("legacy") {
            let firmware = self.page.table("firmware");
            if secure {
                firmware.set("secure_boot", true);
            }
            firmware.comment("quickemu keeps the variables in OVMF_VARS.fd beside the disk; to go on with them:");
            firmware.comment("nvram = \"OVMF_VARS.fd\"");
        }
    }

    /// Mouse, keyboard, and the controller that they may hang on.
    fn input(&mut self) {
        match self.value("usb_controller") {
            Some("none") => {}
            Some("ehci") => self.push(0, &["-device", "ich9-usb-ehci1"]),
            _ => self.push(0, &["-device", "qemu-xhci"]),
        }
        match self.value("mouse") {
            Some("ps2") => {}
            Some("usb") => self.push(0, &["-device", "usb-mouse"]),
            Some("virtio") => self.push(0, &["-device", "virtio-mouse-pci"]),
            _ => self.push(0, &["-device", "usb-tablet"]),
        }
        match self.value("keyboard") {
            Some("ps2") => {}
            Some("virtio") => self.push(0, &["-device", "virtio-keyboard-pci"]),
            _ => self.push(0, &["-device", "usb-kbd"]),
        }
    }

    fn cpu(&self) -> &'static str {
        if self.is_windows() {
            "host,hv_relaxed,hv_vapic,hv_time,hv_spinlocks=8191,hv_vpindex,hv_synic,hv_stimer,hv_frequencies,l3-cache=on"
        } else {
            "host,l3-cache=on"
        }
    }

    fn network(&mut self) {
        let mut netdev = "user,id=nic".to_owned();
        for ports in self.rows.iter().filter(|row| row.name == "port_forwards").flat_map(|row| &row.values) {
            if let Some((host, guest)) = ports.split_once(':') {
                netdev = format!("{netdev},hostfwd=tcp::{host}-:{guest}");
            }
        }
        if let Some(port) = self.value("ssh_port").filter(|port| !port.is_empty()) {
            netdev = format!("{netdev},hostfwd=tcp::{port}-:22");
        }
        let mut card = "virtio-net-pci,netdev=nic".to_owned();
        if let Some(mac) = self.value("macaddr") {
            card = format!("{card},mac={mac}");
        }
        match self.value("network") {
            Some("none") => {}
            Some(bridge) if !matches!(bridge, "user" | "restrict") => {
                self.push(0, &["-netdev", &format!("bridge,id=nic,br={bridge}"), "-device", &card]);
            }
            _ => self.push(0, &["-netdev", &netdev, "-device", &card]),
        }
    }

    fn drive(&mut self, row: &Row, rest: &str, device: &str) -> Fate {
        let Some(file) = row.values.first().filter(|file| !file.is_empty()) else {
            return Fate::Needless("nothing stands in it".into());
        };
        if file.contains('$') {
            self.page.push("disk").put_off(format!("a shell computes where the file of {} is: {file}", row.name));
            return Fate::Asked("which file it is; a shell computes it".into());
        }
        let id = &row.name;
        self.push(row.line, &["-drive", &format!("if=none,id={id},file={},{rest}", file.replace(',', ",,"))]);
        self.push(row.line, &["-device", &format!("{device},drive={id}")]);
        Fate::Kept
    }

    fn row(&mut self, row: &Row) -> Fate {
        match row.name.as_str() {
            "disk_img" => {
                let format = self.value("disk_format").unwrap_or("qcow2").to_owned();
                self.drive(row, &format!("format={format},cache=none,aio=threads,discard=unmap"), "virtio-blk-pci")
            }
            "iso" | "fixed_iso" => self.drive(row, "media=cdrom", "ide-cd"),
            "img" => self.drive(row, "format=raw", "ide-hd"),
            "tpm" if row.values.first().is_some_and(|on| on == "on") => {
                let table = self.page.table("tpm");
                table.set("model", "tpm-tis");
                table.ask("the TPM's secrets are in quickemu's folder of the guest:", "state = \"FOLDER\"");
                Fate::Asked("whether the guest's secrets are kept: the state of its TPM is quickemu's".into())
            }
            "usb_devices" => {
                for ids in &row.values {
                    if let Some((vendor, product)) = ids.split_once(':') {
                        let device = format!("usb-host,vendorid=0x{vendor},productid=0x{product}");
                        self.push(row.line, &["-device", &device]);
                    }
                }
                Fate::Kept
            }
            "public_dir" => match row.values.first().filter(|folder| folder.starts_with('/')) {
                Some(folder) => {
                    let share = self.page.push("share");
                    share.set("kind", "9p");
                    share.set("source", folder.as_str());
                    share.set("tag", "Public");
                    share.set("security_model", "mapped-xattr");
                    Fate::Kept
                }
                None => Fate::Asked("which folder it is".into()),
            },
            "display" => {
                let kind = row.values.first().map_or("gtk", String::as_str);
                let kind = match kind {
                    "spice" | "spice-app" => "spice",
                    "none" => "none",
                    "sdl" => "sdl",
                    _ => "gtk",
                };
                self.display = kind;
                Fate::Kept
            }
            // One text of many words, or an array.
            "extra_args" => {
                let words = row.values.iter().flat_map(|value| super::shell::read(value).commands);
                let words: Vec<_> = words.flat_map(|command| command.words).map(|word| word.text).collect();
                words.iter().for_each(|word| self.push(row.line, &[word]));
                Fate::Translated("see the options".into())
            }
            "guest_os"
                if row
                    .values
                    .first()
                    .is_some_and(|name| !name.starts_with("linux") && !name.starts_with("windows")) =>
            {
                let name = row.values.first().cloned().unwrap_or_default();
                self.page.tail(format!(
                    "To decide: quickemu gives a guest of the kind `{name}` devices and a CPU of its own; `quickemu --vm FILE` \
                     while `ps` shows QEMU's command line tells which: vmrun import --pid."
                ));
                Fate::Asked("what quickemu does for guests of this kind".into())
            }
            // Seen with others.
            "guest_os" | "cpu_cores" | "ram" | "boot" | "secureboot" | "macaddr" | "network" | "port_forwards"
            | "disk_format" | "tpm" | "usb_controller" | "keyboard" | "mouse" | "ssh_port" => Fate::Kept,
            "disk_size" | "preallocation" => Fate::Needless("the disk is there".into()),
            "monitor"
            | "monitor_telnet_port"
            | "monitor_telnet_host"
            | "monitor_cmd"
            | "serial"
            | "serial_telnet_port"
            | "serial_telnet_host"
            | "spice_port"
            | "keyboard_layout" => Fate::Needless("vmrun has a monitor and a console of its own".into()),
            "gl" | "width" | "height" | "viewer" | "screen" | "screenpct" | "fullscreen" | "braille" => {
                Fate::Translated("keys of [display] say how it is shown".into())
            }
            "floppy" => Fate::Lost("there are no floppy disks".into()),
            _ => Fate::Lost("vmrun has nothing like it".into()),
        }
    }
}
