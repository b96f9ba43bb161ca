//! The text of a profile under construction: tables in the order of the documentation, with their comments.

use super::table::{Table, comment};
use std::collections::BTreeMap;
use toml::Value;

/// Tables in the order in which they are written.
const ORDER: [&str; 42] = [
    "machine",
    "cpu",
    "cpu.smp_cache",
    "cpu.pinning",
    "memory",
    "numa",
    "tune",
    "firmware",
    "tpm",
    "clock",
    "boot",
    "kernel",
    "serial",
    "disk",
    "net",
    "pci",
    "mdev",
    "gpu",
    "usb_controller",
    "usb",
    "input",
    "share",
    "display",
    "audio",
    "looking_glass",
    "iommu",
    "watchdog",
    "rng",
    "vmgenid",
    "vsock",
    "agent",
    "smbios",
    "smbios.bios",
    "smbios.system",
    "smbios.board",
    "smbios.chassis",
    "smbios.processor",
    "smbios.memory",
    "fw_cfg",
    "acpi_table",
    "addresses",
    "pcie",
];

/// Tables that come last, in this order.
const LAST: [&str; 5] = ["hook", "service", "on", "stop", "qemu"];

/// The whole profile.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    head: Vec<String>,
    top: Table,
    tables: BTreeMap<String, Table>,
    lists: BTreeMap<String, Vec<Table>>,
    tail: Vec<String>,
}

impl Page {
    /// What stands above the first table.
    pub(super) fn top(&mut self) -> &mut Table {
        &mut self.top
    }

    /// Adds a comment at the very start.
    pub(super) fn head(&mut self, text: impl Into<String>) {
        self.head.push(text.into());
    }

    /// Adds a comment at the very end.
    pub(super) fn tail(&mut self, text: impl Into<String>) {
        self.tail.push(text.into());
    }

    /// The table `name`, which is there from now on.
    pub(super) fn table(&mut self, name: &str) -> &mut Table {
        self.tables.entry(name.into()).or_default()
    }

    /// The table `name`, if it is there.
    pub(super) fn known(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The value at `table.key`.
    pub(super) fn get(&self, table: &str, key: &str) -> Option<&Value> {
        self.tables.get(table)?.get(key)
    }

    /// Adds a table to the list `name`.
    pub(super) fn push(&mut self, name: &str) -> &mut Table {
        let list = self.lists.entry(name.into()).or_default();
        list.push(Table::default());
        let last = list.len() - 1;
        &mut list[last]
    }

    /// The tables of the list `name`.
    pub(super) fn list(&mut self, name: &str) -> &mut Vec<Table> {
        self.lists.entry(name.into()).or_default()
    }

    /// Number of tables in the list `name`.
    pub(super) fn count(&self, name: &str) -> usize {
        self.lists.get(name).map_or(0, Vec::len)
    }

    /// Gives disks a place in the boot order after the passed functions that have one: the plan deals them the first ones.
    pub(super) fn order_after_cards(&mut self) {
        let index = |card: &Table| card.get("properties")?.get("bootindex")?.as_integer();
        let Some(last) = self.list("pci").iter().filter_map(index).max() else { return };
        let disks = self.list("disk");
        if disks.iter().all(|disk| disk.get("boot_index").is_none()) {
            (last + 1..).zip(disks).for_each(|(index, disk)| disk.set("boot_index", index));
        }
    }

    /// Every table that can be commented out by itself, which those of the lists can.
    pub(super) fn listed(&mut self) -> impl Iterator<Item = &mut Table> {
        self.lists.values_mut().flatten()
    }

    /// Every table that there is one of, and the keys at the top.
    pub(super) fn single(&mut self) -> impl Iterator<Item = &mut Table> {
        std::iter::once(&mut self.top).chain(self.tables.values_mut())
    }

    /// The text of all tables.
    pub(super) fn tables(&self) -> String {
        let mut out = String::new();
        for name in ORDER.into_iter().chain(LAST) {
            let single = self.tables.get(name).into_iter().map(|table| (format!("[{name}]"), table));
            let list = self.lists.get(name).into_iter().flatten().map(|table| (format!("[[{name}]]"), table));
            for (header, table) in single.chain(list) {
                out.push('\n');
                table.render(&format!("{header}\n"), &mut out);
            }
        }
        out
    }

    /// The text of the profile.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        self.head.iter().for_each(|text| comment(text, &mut out));
        if !self.head.is_empty() {
            out.push('\n');
        }
        self.top.render("schema = 1\n", &mut out);
        out.push_str(&self.tables());
        if !self.tail.is_empty() {
            out.push('\n');
        }
        self.tail.iter().for_each(|text| comment(text, &mut out));
        out
    }
}

/// A name that a guest can have, made of `text`.
pub(super) fn guest_name(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = text.trim().chars().map(kept).collect();
    let name: String = name.trim_start_matches(['-', '.']).chars().take(48).collect();
    if name.is_empty() { "guest".into() } else { name }
}

/// An amount of bytes as a profile has it.
pub(super) fn size(bytes: u64) -> String {
    crate::unit::Size::from_bytes(bytes).to_string()
}

/// A whole number as a value; TOML's are signed.
pub(super) fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod test {
    use super::{LAST, ORDER};
    use serde_json::Value;

    #[test]
    fn each_table_of_a_profile_has_its_place() {
        let schema: Value = serde_json::from_str(include_str!("../../tests/golden/schema.json")).unwrap();
        let definitions = &schema["definitions"];
        let is_table = |value: &Value| {
            let one = value["$ref"].as_str().or(value["items"]["$ref"].as_str());
            let name = one.and_then(|name| name.strip_prefix("#/definitions/"));
            name.is_some_and(|name| definitions[name]["properties"].is_object())
        };
        let top = schema["properties"].as_object().unwrap().iter().filter(|(_, value)| is_table(value));
        let below = definitions.as_object().unwrap().keys().filter(|name| name.starts_with("smbios."));
        let all: Vec<_> = top.map(|(name, _)| name).chain(below).collect();
        assert!(all.len() > 40, "{all:?}");
        let lost: Vec<_> = all.iter().filter(|name| ORDER.iter().chain(&LAST).all(|known| known != *name)).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
}
