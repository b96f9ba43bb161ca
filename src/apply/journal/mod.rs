//! What has to be put back, on disk before it is done.
//!
//! The journal grows by one entry at a time. Its room on the disk is taken before anything is changed, so that a full
//! disk cannot keep what is owed from being written down.

mod entry;
mod frame;
#[cfg(test)]
mod test;

pub use entry::{Entry, Record};

use super::ApplyError;
use super::fault::{Point, at};
use crate::unit::GuestName;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the journal in the run folder.
pub(super) const FILE: &str = "journal";
/// Bytes that are taken on the disk: some hundred changes.
const ROOM: u64 = 64 << 10;

/// What is done about a journal with something broken in its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is not used.
    Refuse,
    /// What can be read is used.
    PassOver,
}

/// A record and the file that holds it. Every entry is on disk before the call returns.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    record: Record,
    /// `None` until the first entry.
    file: Option<File>,
    /// Where the next entry goes.
    end: u64,
    /// Behind the last byte that is not zero.
    dirt: u64,
}

impl Journal {
    /// An empty journal of guest `name` in the run folder `dir`; the file is made with the first entry.
    #[must_use]
    pub fn new(dir: &Path, name: GuestName, boot_id: String) -> Self {
        Self { path: dir.join(FILE), record: Record::new(name, boot_id), file: None, end: 0, dirt: 0 }
    }

    /// The journal in `dir`; `None` when there is none. A last entry that was cut short is passed over: its change was
    /// not begun.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or was written by a newer vmrun.
    pub fn load(dir: &Path, damage: Damage) -> Result<Option<Self>, ApplyError> {
        let path = dir.join(FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(ApplyError::io("read", &path))?,
        };
        let found = frame::read(&bytes);
        let record = entry::record(&found.texts, damage)
            .and_then(|record| match found.damaged && damage == Damage::Refuse {
                true => Err(format!("it is damaged; {}", record.readable())),
                false => Ok(record),
            })
            .map_err(|why| ApplyError::Refused(format!("the journal {} cannot be used: {why}", path.display())))?;
        let file = OpenOptions::new().write(true).custom_flags(nix::libc::O_NOFOLLOW).open(&path);
        let file = file.map_err(ApplyError::io("open", &path))?;
        let dirt = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1) as u64;
        Ok(Some(Self { path, record, file: Some(file), end: found.end as u64, dirt }))
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

    /// Whether its file was made.
    pub(super) fn has_begun(&self) -> bool {
        self.file.is_some()
    }

    /// Adds `entry`, on the disk and then to the record.
    ///
    /// # Errors
    /// When it cannot be written; the record is as it was then.
    pub fn add(&mut self, entry: Entry) -> Result<(), ApplyError> {
        self.begin()?;
        at(Point::JournalWrite)?;
        self.append(&entry).map_err(ApplyError::io("write", &self.path))?;
        self.record.take(entry);
        at(Point::JournalWritten)
    }

    /// Makes the file, unless there is one: under another name, with its room and its first entry on the disk, and then
    /// under its own.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(&mut self) -> Result<(), ApplyError> {
        if self.file.is_some() {
            return Ok(());
        }
        let next = self.path.with_extension("next");
        let made = || -> io::Result<(File, u64)> {
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
            match fallocate(&file, FallocateFlags::empty(), 0, ROOM) {
                // A file system that cannot promise it.
                Err(rustix::io::Errno::OPNOTSUPP) => {
                    file.write_all_at(&vec![0; usize::try_from(ROOM).unwrap_or(0)], 0)?;
                }
                taken => taken?,
            }
            let line = frame::line(&serde_json::to_vec(&self.record.first())?)?;
            file.write_all_at(&line, 0)?;
            file.sync_all()?;
            Ok((file, line.len() as u64))
        };
        let (file, end) = made().map_err(|error| {
            // Half of it is of no use, and the disk may be full.
            let _ = fs::remove_file(&next);
            ApplyError::io("make", &self.path)(error)
        })?;
        at(Point::JournalRename)?;
        let named = || -> io::Result<()> {
            fs::rename(&next, &self.path)?;
            File::open(self.dir())?.sync_all()
        };
        named().map_err(ApplyError::io("make", &self.path))?;
        (self.file, self.end, self.dirt) = (Some(file), end, end);
        at(Point::JournalRenamed)
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(file) = &self.file else { return Err(ErrorKind::NotFound.into()) };
        let mut line = frame::line(&serde_json::to_vec(entry)?)?;
        let end = self.end + line.len() as u64;
        // What an entry that was cut short left behind this one is no part of the next.
        line.resize(line.len() + usize::try_from(self.dirt.saturating_sub(end)).unwrap_or(0), 0);
        self.dirt = self.dirt.max(end);
        file.write_all_at(&line, self.end)?;
        file.sync_data()?;
        (self.end, self.dirt) = (end, end);
        Ok(())
    }
}
