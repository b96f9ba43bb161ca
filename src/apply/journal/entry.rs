//! The entries of a journal, and what they come to.

use super::Damage;
use crate::plan::Change;
use crate::process::ProcessId;
use crate::unit::{Bdf, GuestName};
use serde::{Deserialize, Serialize};

/// Version of the format; a newer one is not touched.
const VERSION: u32 = 1;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(clippy::large_enum_variant, reason = "most lines of a journal are intents, the largest")]
pub enum Entry {
    /// A run began; always the first.
    Begun {
        /// Of the format.
        version: u32,
        /// The guest.
        name: GuestName,
        /// `/proc/sys/kernel/random/boot_id`.
        boot_id: String,
    },
    /// A change is about to be made.
    ///
    /// That it was made is not written: it is taken back either way, since it may have been without a word of it.
    Intent {
        /// Its number in the journal.
        number: u64,
        /// The change.
        change: Change,
    },
    /// A change was taken back, or did not happen.
    Undone {
        /// The number of its intent.
        number: u64,
    },
    /// The process that is QEMU; `None` when it is gone.
    Qemu(Option<ProcessId>),
    /// A companion that was started and runs on if vmrun is killed.
    Companion {
        /// Its name in the profile.
        name: String,
        /// `None` when it has ended.
        process: Option<ProcessId>,
    },
    /// A hook that was started and runs on if vmrun is killed. Hooks may bear one name, and run at one time.
    Hook {
        /// Its name in the profile.
        name: String,
        /// What it runs as.
        process: ProcessId,
    },
    /// A hook ended.
    HookEnded {
        /// What it ran as.
        process: ProcessId,
    },
}

/// What the entries of a journal come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The guest.
    pub name: GuestName,
    /// `/proc/sys/kernel/random/boot_id` when it was begun: after a reboot the changes are void.
    pub boot_id: String,
    /// QEMU, once it runs.
    pub qemu: Option<ProcessId>,
    /// Changes that were made, or were about to be made, in order, with the numbers of their intents.
    pub changes: Vec<(u64, Change)>,
    /// Companions that were started and run on if vmrun is killed, by name.
    pub companions: Vec<(String, ProcessId)>,
    /// Hooks that ran when this was written, by name.
    pub hooks: Vec<(String, ProcessId)>,
    /// The number of the next intent.
    next: u64,
}

impl Record {
    /// One without changes.
    pub(super) fn new(name: GuestName, boot_id: String) -> Self {
        Self { name, boot_id, qemu: None, changes: Vec::new(), companions: Vec::new(), hooks: Vec::new(), next: 1 }
    }

    /// PCI functions that it has changes of.
    #[must_use]
    pub(in crate::apply) fn devices(&self) -> Vec<Bdf> {
        let mut devices: Vec<Bdf> = self.changes.iter().filter_map(|(_, change)| change.device()).collect();
        devices.sort();
        devices.dedup();
        devices
    }

    /// The entry of an intent to make `change`.
    pub(in crate::apply) fn intent(&self, change: &Change) -> Entry {
        Entry::Intent { number: self.next, change: change.clone() }
    }

    pub(super) fn first(&self) -> Entry {
        Entry::Begun { version: VERSION, name: self.name.clone(), boot_id: self.boot_id.clone() }
    }

    pub(super) fn take(&mut self, entry: Entry) {
        match entry {
            // It is what the record was made of.
            Entry::Begun { .. } => {}
            Entry::Intent { number, change } => {
                self.changes.push((number, change));
                self.next = number.max(self.next).saturating_add(1);
            }
            Entry::Undone { number } => self.changes.retain(|(other, _)| *other != number),
            Entry::Qemu(qemu) => self.qemu = qemu,
            Entry::Companion { name, process } => {
                self.companions.retain(|(other, _)| *other != name);
                self.companions.extend(process.map(|process| (name, process)));
            }
            Entry::Hook { name, process } => self.hooks.push((name, process)),
            Entry::HookEnded { process } => self.hooks.retain(|(_, other)| *other != process),
        }
    }

    /// What can be read, for one who has to decide about a damaged journal.
    pub(super) fn readable(&self) -> String {
        let steps = self.changes.iter().rev().flat_map(|(_, change)| change.inverse().steps());
        let steps: Vec<String> = steps.map(|step| format!("\n  {step}")).collect();
        let what = match steps.is_empty() {
            true => "nothing that it still tells is to be put back".to_owned(),
            false => format!("of what is to be put back it still tells{}", steps.concat()),
        };
        format!("{what}\n`vmrun recover {} --force` goes by what can be read", self.name)
    }
}

/// What the texts of a journal come to.
///
/// # Errors
/// With why they cannot be used.
pub(super) fn record(texts: &[&[u8]], damage: Damage) -> Result<Record, String> {
    let (first, rest) = texts.split_first().ok_or("there is nothing whole in it")?;
    let raw: serde_json::Value = serde_json::from_slice(first).map_err(|error| error.to_string())?;
    match raw["begun"]["version"].as_u64() {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => return Err(format!("it has version {version}, this vmrun knows {VERSION}")),
        None => return Err("its beginning is lost".into()),
    }
    let Entry::Begun { name, boot_id, .. } = serde_json::from_slice(first).map_err(|error| error.to_string())? else {
        return Err("its beginning is lost".into());
    };
    let mut record = Record::new(name, boot_id);
    for text in rest {
        match serde_json::from_slice(text) {
            Ok(entry) => record.take(entry),
            Err(_) if damage == Damage::PassOver => {}
            Err(error) => return Err(format!("an entry of it means nothing ({error}); {}", record.readable())),
        }
    }
    Ok(record)
}
