//! What brings a changed key to the guest while it runs.

use crate::profile::Setting;
use crate::profile::source::Difference;
use crate::unit::GuestName;
use std::path::Path;
use toml::{Table, Value};

/// The commands of vmrun that give the guest what a key of its profile says now; none when only the next start does.
pub(super) fn commands(
    name: &GuestName,
    difference: &Difference,
    (was, is): (&Table, &Table),
    setting: &Setting,
) -> Vec<Vec<String>> {
    let entries = (Entry::of(&difference.was_at, was), Entry::of(&difference.at, is));
    let (Some(mut old), Some(mut new)) = entries else { return Vec::new() };
    if new.key.is_none() {
        // Another entry may stand where this one has gone, or is to come.
        old.table = old.table.filter(|_| difference.was.is_some());
        new.table = new.table.filter(|_| difference.is.is_some());
    }
    let calls = match (new.array, new.key) {
        ("usb", None | Some("enabled" | "id" | "port")) => usb(old.table, new.table),
        ("pci", None) => pci(old.table, new.table),
        ("net", Some("link")) => cable(old.index, new.table),
        ("disk", Some("file")) => disc(&old, new.table, setting),
        _ => None,
    };
    calls.unwrap_or_default().into_iter().map(|call| call.words(name)).collect()
}

/// A command, without the guest's name.
struct Call {
    command: &'static str,
    verb: &'static str,
    /// What stands behind the name.
    rest: Vec<String>,
}

impl Call {
    fn words(self, name: &GuestName) -> Vec<String> {
        let head = ["vmrun", self.command, self.verb, name.as_str()].map(str::to_owned);
        head.into_iter().chain(self.rest).collect()
    }
}

/// An entry of an array of tables, or a key in one.
struct Entry<'a> {
    array: &'a str,
    index: usize,
    /// `None` for the whole entry.
    key: Option<&'a str>,
    /// The entry, when the document has it.
    table: Option<&'a Table>,
}

impl<'a> Entry<'a> {
    /// `at` is a path like `usb[1].id`.
    fn of(at: &'a str, document: &'a Table) -> Option<Self> {
        let (array, rest) = at.split_once('[')?;
        let (index, rest) = rest.split_once(']')?;
        let index = index.parse().ok()?;
        let table = document.get(array).and_then(|array| array.get(index)).and_then(Value::as_table);
        Some(Self { array, index, key: rest.strip_prefix('.'), table })
    }
}

/// What the guest had goes, what it shall have comes.
fn usb(was: Option<&Table>, is: Option<&Table>) -> Option<Vec<Call>> {
    let enabled = |table: &&Table| table.get("enabled").and_then(Value::as_bool) != Some(false);
    let mut calls = Vec::new();
    for (verb, table) in [("take", was), ("give", is)] {
        if let Some(table) = table.filter(enabled) {
            calls.push(Call { command: "usb", verb, rest: vec![usb_device(table)?] });
        }
    }
    Some(calls)
}

/// The device as `vmrun usb` names it; a serial number is of use at the start only.
fn usb_device(table: &Table) -> Option<String> {
    let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    text("id").or_else(|| text("port")).filter(|_| !table.contains_key("serial"))
}

fn pci(was: Option<&Table>, is: Option<&Table>) -> Option<Vec<Call>> {
    let (verb, table) = match (was, is) {
        (None, Some(table)) => ("attach", table),
        (Some(table), None) => ("detach", table),
        _ => return None,
    };
    let (which, others): (Vec<_>, Vec<_>) =
        table.iter().partition(|(key, _)| ["host", "device"].contains(&key.as_str()));
    let [(_, Value::String(device))] = which[..] else { return None };
    let mut rest = vec![device.clone()];
    if verb == "attach" {
        rest.extend(others.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]));
    }
    Some(vec![Call { command: "pci", verb, rest }])
}

fn cable(index: usize, is: Option<&Table>) -> Option<Vec<Call>> {
    let down = is?.get("link").and_then(Value::as_str) == Some("down");
    let verb = if down { "down" } else { "up" };
    Some(vec![Call { command: "net", verb, rest: vec![format!("nic{index}")] }])
}

fn disc(old: &Entry<'_>, is: Option<&Table>, setting: &Setting) -> Option<Vec<Call>> {
    let is_drive = |table: &&Table| table.get("cdrom").and_then(Value::as_bool) == Some(true);
    old.table.filter(is_drive)?;
    let file = is.filter(is_drive)?.get("file").and_then(Value::as_str);
    let verb = if file.is_some() { "insert" } else { "eject" };
    let file = file.map(|file| setting.resolve(Path::new(file)).display().to_string());
    let drive = ["--drive".to_owned(), format!("drive{}", old.index)];
    Some(vec![Call { command: "cd", verb, rest: file.into_iter().chain(drive).collect() }])
}

#[cfg(test)]
mod test {
    use super::commands;
    use crate::plan::Kept;
    use crate::profile::Setting;
    use crate::profile::source::differences;
    use crate::unit::GuestName;
    use toml::Table;

    /// The commands for what became of `was`, and the keys that wait for the next start.
    fn effects(was: &str, is: &str) -> (Vec<String>, Vec<String>) {
        let (was, is): (Table, Table) = (was.parse().unwrap(), is.parse().unwrap());
        let name = GuestName::try_from("win".to_owned()).unwrap();
        let setting = Setting {
            dir: "/vm".into(),
            home: None,
            run_dir: "/run/vmrun/win".into(),
            state_dir: "/var/lib/vmrun".into(),
            kept: Kept::default(),
        };
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for difference in differences(&was, &is) {
            let found = commands(&name, &difference, (&was, &is), &setting);
            if found.is_empty() {
                later.push(difference.at);
            }
            now.extend(found.iter().map(|words| shlex::try_join(words.iter().map(String::as_str)).unwrap()));
        }
        (now, later)
    }

    fn now(was: &str, is: &str) -> Vec<String> {
        let (now, later) = effects(was, is);
        assert_eq!(later, [""; 0]);
        now
    }

    #[test]
    fn what_a_running_guest_can_get_is_told_as_a_command() {
        let (mouse, pad) = ("[[usb]]\nid = \"046d:c29b\"\n", "[[usb]]\nport = \"1-4\"\n");
        let give = "vmrun usb give win 1-4";
        assert_eq!(now(mouse, &format!("{mouse}{pad}")), [give]);
        assert_eq!(now(&format!("{mouse}{pad}"), pad), ["vmrun usb take win 046d:c29b"]);
        assert_eq!(now(&format!("{pad}enabled = false"), pad), [give]);
        assert_eq!(now("[[net]]\nlink = \"down\"", "[[net]]"), ["vmrun net up win nic0"]);
        let drive = "[[disk]]\ncdrom = true\n";
        assert_eq!(
            now(drive, &format!("{drive}file = \"my disc.iso\"")),
            ["vmrun cd insert win '/vm/my disc.iso' --drive drive0"]
        );
        assert_eq!(now(&format!("{drive}file = \"a.iso\""), drive), ["vmrun cd eject win --drive drive0"]);
        assert_eq!(
            now("", "[[pci]]\nhost = \"01:00.0\"\nreset = [\"bus\"]"),
            ["vmrun pci attach win 01:00.0 --set 'reset=[\"bus\"]'"]
        );
    }

    #[test]
    fn the_rest_waits_for_the_next_start() {
        assert_eq!(effects("[cpu]\ncores = 4", "[cpu]\ncores = 6"), (vec![], vec!["cpu.cores".to_owned()]));
        let disk = |file| format!("[[disk]]\nfile = \"{file}\"");
        assert_eq!(effects(&disk("a.raw"), &disk("b.raw")), (vec![], vec!["disk[0].file".to_owned()]));
        assert_eq!(effects("", "[[usb]]\nserial = \"1\""), (vec![], vec!["usb[0]".to_owned()]));
    }
}
