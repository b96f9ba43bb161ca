//! What has to be put back, on disk before it is done.

use super::ApplyError;
use crate::plan::Change;
use crate::process::ProcessId;
use crate::unit::{Bdf, GuestName};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Name of the journal in the run folder.
pub(super) const FILE: &str = "journal.json";
/// Version of the format; a newer one is not touched.
const VERSION: u32 = 1;

/// Content of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    version: u32,
    /// The guest.
    pub name: GuestName,
    /// `/proc/sys/kernel/random/boot_id` when it was written: after a reboot the changes are void.
    pub boot_id: String,
    /// QEMU, once it runs.
    pub qemu: Option<ProcessId>,
    /// Changes that were made, or were about to be made, in order.
    pub changes: Vec<Change>,
    /// Companions that were started and run on if vmrun is killed, by name.
    pub companions: Vec<(String, ProcessId)>,
}

impl Record {
    /// PCI functions that it has changes of.
    #[must_use]
    pub(super) fn devices(&self) -> Vec<Bdf> {
        let mut devices: Vec<Bdf> = self.changes.iter().filter_map(Change::device).collect();
        devices.sort();
        devices.dedup();
        devices
    }
}

/// A record and the file that holds it. Every edit is on disk before the call returns.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    record: Record,
}

impl Journal {
    /// An empty journal of guest `name` in the run folder `dir`; the file is written with the first edit.
    #[must_use]
    pub fn new(dir: &Path, name: GuestName, boot_id: String) -> Self {
        let record =
            Record { version: VERSION, name, boot_id, qemu: None, changes: Vec::new(), companions: Vec::new() };
        Self { path: dir.join(FILE), record }
    }

    /// The journal in `dir`; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or was written by a newer vmrun.
    pub fn load(dir: &Path) -> Result<Option<Self>, ApplyError> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(ApplyError::io("read", &path))?,
        };
        let unreadable =
            |why: String| ApplyError::Refused(format!("the journal {} cannot be used: {why}", path.display()));
        let raw: serde_json::Value = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        match raw["version"].as_u64() {
            Some(version) if version == u64::from(VERSION) => {}
            version => return Err(unreadable(format!("version {version:?}, this vmrun writes {VERSION}"))),
        }
        let record = serde_json::from_value(raw).map_err(|error| unreadable(error.to_string()))?;
        Ok(Some(Self { path, record }))
    }

    /// The run folder that it lies in.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// What stands in it.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Changes the record and writes it: temporary file, sync, rename.
    ///
    /// # Errors
    /// When it cannot be written; the file then holds the record before the edit.
    pub fn edit<T>(&mut self, change: impl FnOnce(&mut Record) -> T) -> Result<T, ApplyError> {
        let result = change(&mut self.record);
        let next = self.path.with_extension("next");
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
            serde_json::to_writer(&mut file, &self.record)?;
            file.flush()?;
            file.sync_all()?;
            fs::rename(&next, &self.path)?;
            self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
        };
        write().map_err(ApplyError::io("write", &self.path))?;
        Ok(result)
    }
}

#[cfg(test)]
mod test {
    use super::Journal;
    use crate::plan::Change;
    use crate::unit::{GuestName, Size};

    fn name() -> GuestName {
        GuestName::try_from("Windows".to_owned()).unwrap()
    }

    #[test]
    fn what_was_edited_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(dir.path(), name(), "boot".into());
        assert!(Journal::load(dir.path()).unwrap().is_none());
        let change =
            Change::HugePages { node: 0, size: Size::from_bytes(2 << 20), pages: 4, take: 4, drop_caches: false };
        journal.edit(|record| record.changes.push(change)).unwrap();
        assert_eq!(Journal::load(dir.path()).unwrap().unwrap().record(), journal.record());
    }

    #[test]
    fn a_newer_or_broken_journal_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["{\"version\":2}", "{", "[]"] {
            std::fs::write(dir.path().join(super::FILE), text).unwrap();
            assert!(Journal::load(dir.path()).is_err(), "{text}");
        }
    }
}
