//! Proxmox VE: `/etc/pve/qemu-server/NUMBER.conf`, read as what Proxmox makes of it: a command line of QEMU, which
//! [`super::argv`] translates, and the few things that the profile has keys of its own for.
//! Source: `qm.conf(5)`, `PVE/QemuServer.pm`.

mod cpu;
mod drive;
mod own;
mod passed;

use super::argv::{self, Place, Word};
use super::page::{Page, guest_name};
use super::report::{Fate, Report};
use crate::plan::Problem;
use std::collections::BTreeMap;

/// A line of the file: its key, its value, its number.
#[derive(Clone, Debug)]
struct Row {
    key: String,
    value: String,
    line: usize,
}

/// A value of the form `FIRST,key=value,key=value`.
struct Value<'v> {
    first: &'v str,
    rest: BTreeMap<&'v str, &'v str>,
}

impl<'v> Value<'v> {
    /// `default` is the key that the first part has when it is not written.
    fn of(text: &'v str, default: &str) -> Self {
        let mut parts = text.split(',').map(str::trim).filter(|part| !part.is_empty()).peekable();
        let bare = parts.next_if(|part| !part.contains('=')).unwrap_or_default();
        let rest: BTreeMap<_, _> = parts.filter_map(|part| part.split_once('=')).collect();
        let first = rest.get(default).copied().filter(|_| bare.is_empty()).unwrap_or(bare);
        Self { first, rest }
    }

    fn get(&self, key: &str) -> Option<&'v str> {
        self.rest.get(key).copied()
    }

    fn is_on(&self, key: &str) -> bool {
        matches!(self.get(key), Some("1" | "on" | "yes"))
    }
}

/// The guest under translation.
struct Guest<'g> {
    rows: Vec<Row>,
    words: Vec<Word>,
    /// Volumes of storages that only Proxmox knows.
    unknown: Vec<String>,
    /// How the guest is shown, and by which card.
    shown: Option<(&'static str, &'static str)>,
    page: &'g mut Page,
    report: &'g mut Report,
}

/// Whether `text` is such a file: keys with a colon, and those that a guest has; one of nothing but disks has volumes of a
/// storage.
pub(super) fn is_one(text: &str) -> bool {
    let rows = rows(text);
    let has = |keys: &[&str]| rows.iter().any(|row| keys.contains(&row.key.as_str()));
    let volume = |row: &Row| is_drive(&row.key) && row.value.split(',').next().is_some_and(|first| first.contains(':'));
    rows.iter().any(volume)
        || has(&["memory", "cores", "sockets"])
            && has(&["ostype", "scsihw", "boot", "bootdisk", "net0", "smbios1", "vmgenid"])
}

/// Whether `key` is that of a drive, like `scsi0`.
fn is_drive(key: &str) -> bool {
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    ["scsi", "virtio", "sata", "ide", "efidisk", "tpmstate"].iter().any(|bus| key.strip_prefix(bus).is_some_and(digits))
}

/// The profile's text, and what became of each line.
#[allow(clippy::unnecessary_wraps, reason = "as the other formats")]
pub(super) fn import(name: &str, text: &str) -> Result<(String, Report), Problem> {
    let (mut page, mut report) = (Page::default(), Report::default());
    page.head(format!("Made by `vmrun import` of {name}. `vmrun check` says whether it can run here."));
    for note in notes(text) {
        page.head(note);
    }
    let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".conf");
    page.top().set("name", guest_name(stem));
    let mut guest = Guest {
        rows: rows(text),
        words: Vec::new(),
        unknown: Vec::new(),
        shown: None,
        page: &mut page,
        report: &mut report,
    };
    guest.snapshots(text);
    guest.run();
    let (words, unknown) = (std::mem::take(&mut guest.words), std::mem::take(&mut guest.unknown));
    let shown = guest.shown;
    argv::import(&words, &[], Place::Whole { kvm: true }, &mut page, &mut report);
    if let Some((kind, video)) = shown {
        let table = page.table("display");
        table.set("kind", kind);
        table.set("video", video);
    }
    own::after(&mut page);
    drive::ask(&unknown, &mut page);
    Ok((page.render(), report.sorted()))
}

/// Lines before the first snapshot.
fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().zip(1..).take_while(|(line, _)| !line.trim_start().starts_with('['));
    let rows = lines.filter_map(|(text, line)| {
        let (key, value) = text.split_once(':')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = key.trim();
        (!key.is_empty() && key.chars().all(plain)).then(|| Row { key: key.into(), value: value.trim().into(), line })
    });
    rows.collect()
}

/// What its user wrote about it, with the codes of characters put in.
fn notes(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix('#'));
    lines.map(|line| decoded(line.trim())).filter(|line| !line.is_empty()).collect()
}

/// `%0A` as the character that it stands for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Guest<'_> {
    fn snapshots(&mut self, text: &str) {
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| line.trim_start().starts_with('[')) {
            self.report.note(number, line.trim(), Fate::Needless("a snapshot; the guest as it is comes first".into()));
        }
    }

    fn run(&mut self) {
        self.push(0, &["-nodefaults"]);
        self.cpu();
        for row in self.rows.clone() {
            let fate = self.row(&row);
            self.report.note(row.line, format!("{}: {}", row.key, row.value), fate);
        }
        self.what_is_not_said();
    }

    /// The value of `key`.
    fn value(&self, key: &str) -> Option<&str> {
        self.rows.iter().find(|row| row.key == key).map(|row| row.value.as_str())
    }

    fn is_windows(&self) -> bool {
        self.value("ostype").is_some_and(|kind| kind.starts_with('w'))
    }

    fn passes(&self) -> bool {
        self.rows.iter().any(|row| row.key.starts_with("hostpci"))
    }

    /// Adds options to QEMU's command line.
    fn push(&mut self, line: usize, words: &[&str]) {
        self.words.extend(words.iter().map(|word| Word::plain(word, line)));
    }

    fn row(&mut self, row: &Row) -> Fate {
        let stem = row.key.trim_end_matches(|c: char| c.is_ascii_digit());
        let numbered = stem.len() < row.key.len();
        match (stem, numbered) {
            ("scsi" | "virtio" | "sata" | "ide", true) => self.drive(row, stem),
            ("net", true) => self.net(row),
            ("hostpci", true) => self.hostpci(row),
            ("usb", true) => self.usb(row),
            ("numa", true) => self.numa(row),
            ("serial", true) => {
                self.page.push("serial").set("to", "console");
                Fate::Translated("[[serial]]: `vmrun console` shows it".into())
            }
            ("parallel", true) => Fate::Lost("there are no parallel ports".into()),
            ("unused", true) => Fate::Needless("a volume that the guest does not use".into()),
            ("ipconfig", true) => Fate::Lost("cloud-init is not fed; its drive can be made with cloud-localds".into()),
            _ => self.setting(row),
        }
    }

    fn net(&mut self, row: &Row) -> Fate {
        let value = Value::of(&row.value, "model");
        let models = ["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"];
        let (model, mac) = models
            .iter()
            .find_map(|model| Some((*model, value.get(model)?)))
            .unwrap_or((value.first, value.get("macaddr").unwrap_or_default()));
        let card = match model {
            "virtio" => "virtio-net-pci",
            known if models.contains(&known) => known,
            _ => return Fate::Lost(format!("vmrun has no card `{model}`")),
        };
        let id = &row.key;
        let back = match value.get("bridge") {
            Some(bridge) => format!("bridge,id={id},br={bridge}"),
            None => format!("user,id={id}"),
        };
        let mut device = format!("{card},netdev={id}");
        if !mac.is_empty() {
            device = format!("{device},mac={mac}");
        }
        if let Some(mtu) = value.get("mtu").filter(|mtu| *mtu != "1") {
            device = format!("{device},host_mtu={mtu}");
        }
        device += &self.boot_index(&row.key);
        self.push(row.line, &["-netdev", &back, "-device", &device]);
        let lost: Vec<_> = ["tag", "trunks", "rate", "firewall"]
            .into_iter()
            .filter(|key| value.get(key).is_some_and(|value| value != "0"))
            .collect();
        match lost[..] {
            [] => Fate::Kept,
            ["firewall"] => Fate::Lost("firewall: packets are not filtered; nftables can".into()),
            _ => Fate::Lost(format!("{}: set it at the bridge's port of the host", lost.join(", "))),
        }
    }

    fn usb(&mut self, row: &Row) -> Fate {
        let value = Value::of(&row.value, "host");
        if value.first == "spice" {
            return Fate::Lost("usb_redirect in [display], with kind = \"spice\", passes USB devices by SPICE".into());
        }
        if let Some((vendor, product)) = value.first.split_once(':') {
            let device = format!("usb-host,vendorid=0x{vendor},productid=0x{product}");
            self.push(row.line, &["-device", &device]);
            return Fate::Kept;
        }
        match value.first.split_once('-') {
            Some((bus, port)) => {
                self.push(row.line, &["-device", &format!("usb-host,hostbus={bus},hostport={port}")]);
                Fate::Kept
            }
            None => Fate::Lost("which device it is, only Proxmox's mappings know; [[usb]] takes its id".into()),
        }
    }
}
