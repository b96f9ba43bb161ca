//! What a profile says, key by key, with a note of what was read: the rest is what another form has no words for.

use super::{From, Gap};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Tables that say by themselves that the guest has a device.
const DEVICES: [&str; 9] =
    ["agent", "audio", "iommu", "looking_glass", "rng", "tpm", "usb_controller", "vmgenid", "watchdog"];

/// A profile's document. A key is a path like `cpu.model` or `disk[0].file`.
pub(super) struct Document<'a> {
    root: &'a Table,
    folder: PathBuf,
    home: Option<PathBuf>,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Document<'a> {
    /// The document `root` of a profile that comes `from` somewhere.
    pub(super) fn new(root: &'a Table, from: &From) -> Self {
        let folder = from.folder.clone().unwrap_or_else(|| PathBuf::from("/"));
        Self { root, folder, home: from.home.clone(), read: RefCell::default() }
    }

    /// The value at `key`.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.take(key, Some)
    }

    /// What `of` makes of the value at `key`; one that it makes nothing of is not read.
    fn take<T>(&self, key: &str, of: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let found = of(self.find(key)?)?;
        self.settle(key);
        Some(found)
    }

    fn find(&self, key: &str) -> Option<&'a Value> {
        let mut value: Option<&Value> = None;
        for part in key.split('.') {
            let (name, index) = match part.split_once('[') {
                Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
                None => (part, None),
            };
            value = match value {
                None => self.root.get(name),
                Some(value) => value.get(name),
            };
            value = match index {
                Some(index) => value?.get(index),
                None => value,
            };
            value?;
        }
        value
    }

    /// The word or number at `key`, as text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.take(key, |value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Boolean(on) => Some(on.to_string()),
            _ => None,
        })
    }

    /// Whether `key` is on.
    pub(super) fn on(&self, key: &str) -> Option<bool> {
        self.take(key, Value::as_bool)
    }

    /// The number at `key`, also one of hexadecimal digits.
    pub(super) fn number(&self, key: &str) -> Option<i64> {
        self.take(key, Value::as_integer)
    }

    /// The amount of memory at `key`, in bytes.
    pub(super) fn bytes(&self, key: &str) -> Option<u64> {
        let size: crate::unit::Size = self.text(key)?.parse().ok()?;
        Some(size.bytes())
    }

    /// The texts of a list at `key`.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.take(key, Value::as_array).map(|all| all.iter().map(shown).collect()).unwrap_or_default()
    }

    /// The file at `key`, which is relative to the profile; `~` is the home of who starts it.
    pub(super) fn path(&self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        let path = match (Path::new(&text).strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.folder.join(text),
        };
        Some(path.to_string_lossy().into_owned())
    }

    /// Number of entries of the array of tables `name`.
    pub(super) fn count(&self, name: &str) -> usize {
        self.root.get(name).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// Whether there is a table `name`, which who asks writes even if nothing stands in it.
    pub(super) fn has(&self, name: &str) -> bool {
        let found = self.root.get(name);
        if found.and_then(Value::as_table).is_some_and(Table::is_empty) {
            self.settle(name);
        }
        found.is_some()
    }

    /// Marks `key` as settled although it is not written.
    pub(super) fn settle(&self, key: &str) {
        self.read.borrow_mut().insert(key.to_owned());
    }

    /// Takes back that `key` was read: it turned out to be nothing that can be written.
    pub(super) fn unread_again(&self, key: &str) {
        self.read.borrow_mut().remove(key);
    }

    /// The values of the table at `key`, which are not read by this.
    pub(super) fn table(&self, key: &str) -> Vec<(&'a str, &'a Value)> {
        let found = key.split('.').try_fold(None, |table: Option<&'a Table>, part| {
            let value = table.unwrap_or(self.root).get(part)?;
            Some(Some(value.as_table()?))
        });
        found.flatten().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// The keys that nobody read, one for each value.
    pub(super) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        for (name, value) in self.root {
            self.unread(name.clone(), value, &mut rest);
        }
        rest
    }

    /// The same as gaps that `why` explains.
    pub(super) fn gaps(&self, why: impl Fn(&str) -> String) -> Vec<Gap> {
        self.rest().into_iter().map(|key| Gap::new(&key, why(&key))).collect()
    }

    fn unread(&self, key: String, value: &Value, rest: &mut Vec<String>) {
        if self.read.borrow().contains(&key) {
            return;
        }
        match value {
            // There is such a device, and nobody has asked.
            Value::Table(table) if table.is_empty() && DEVICES.contains(&&*key) => rest.push(key),
            Value::Table(table) => {
                table.iter().for_each(|(name, value)| self.unread(format!("{key}.{name}"), value, rest));
            }
            Value::Array(all) if all.iter().any(Value::is_table) => {
                for (index, value) in all.iter().enumerate() {
                    let entry = format!("{key}[{index}]");
                    if self.read.borrow().iter().any(|read| read.starts_with(&entry)) {
                        self.unread(entry, value, rest);
                    } else {
                        rest.push(entry);
                    }
                }
            }
            _ => rest.push(key),
        }
    }
}

#[cfg(test)]
mod test {
    use super::Document;
    use crate::export::From;

    fn home() -> From {
        From { profile: "a.toml".into(), folder: Some("/srv".into()), home: Some("/home/a".into()), text: None }
    }

    #[test]
    fn what_nobody_read_is_the_rest() {
        let from = home();
        let root = toml::from_str(
            "name = 'a'\n[cpu]\ncores = 2\nflags = ['+x']\n[[disk]]\nfile = 'b'\nbus = 'nvme'\n[[hook]]\nat = 'pre'",
        )
        .unwrap();
        let document = Document::new(&root, &from);
        assert_eq!(document.path("disk[0].file").as_deref(), Some("/srv/b"));
        assert_eq!((document.number("cpu.cores"), document.count("disk")), (Some(2), 1));
        assert_eq!(document.rest(), ["cpu.flags", "disk[0].bus", "hook[0]", "name"]);
    }

    #[test]
    fn a_device_without_keys_is_the_rest_unless_somebody_asks_for_it() {
        let from = home();
        let root = toml::from_str("[iommu]\n[rng]\n[boot]\n").unwrap();
        let document = Document::new(&root, &from);
        assert!(document.has("rng"));
        assert_eq!(document.rest(), ["iommu"]);
    }

    #[test]
    fn a_value_of_another_kind_is_not_read() {
        let from = home();
        let root = toml::from_str("[memory]\nlocked = 'on-fault'\nsize = '~/a'\n").unwrap();
        let document = Document::new(&root, &from);
        assert_eq!((document.on("memory.locked"), document.number("memory.locked")), (None, None));
        assert_eq!(document.path("memory.size").as_deref(), Some("/home/a/a"));
        assert_eq!(document.rest(), ["memory.locked"]);
    }
}
