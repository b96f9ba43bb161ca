//! What another vmrun needs in order to take over a guest whose vmrun was killed.

use super::{Order, run_folder};
use crate::plan::Plan;
use crate::process::ProcessId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Name of the file in the run folder.
const FILE: &str = "state.json";
/// Version of the format; another one is not taken over.
const VERSION: u32 = 1;

/// A run that has a QEMU.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunState {
    v: u32,
    /// `/proc/sys/kernel/random/boot_id`.
    pub(super) boot_id: String,
    /// QEMU.
    pub(super) qemu: ProcessId,
    /// How far it came.
    pub(super) reached: Reached,
    /// Whether the guest has shown a sign of life, where one is waited for.
    #[serde(default)]
    alive: bool,
    /// Seconds since 1970 when its first vmrun was started.
    pub(super) since: u64,
    /// What was planned, and is carried out; as JSON, since a start writes it several times and only another vmrun reads
    /// it.
    plan: Box<RawValue>,
    /// The profile's folder.
    pub(super) folder: PathBuf,
    /// The folder of this run's logs.
    pub(super) log_dir: PathBuf,
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    v: Value,
}

/// The plan that the guest in the run folder `dir` was started by; `None` when it has no QEMU.
///
/// # Errors
/// When it cannot be read, or was written by another version.
pub fn plan_of(dir: &Path) -> io::Result<Option<Plan>> {
    let state = StateFile::load(dir)?.and_then(|file| file.state.into_inner());
    state.map(|state| state.plan()).transpose()
}

/// The profile's texts, as JSON, that the guest in the run folder `dir` was started with; `None` when it has no QEMU, or
/// they were not kept.
///
/// # Errors
/// When they or `state.json` cannot be read, or it was written by another version.
pub fn profile_of(dir: &Path) -> io::Result<Option<Vec<u8>>> {
    match StateFile::load(dir)?.and_then(|file| file.state.into_inner()) {
        Some(state) => run_folder::profile(&state.log_dir),
        None => Ok(None),
    }
}

impl RunState {
    /// What was planned, and is carried out.
    ///
    /// # Errors
    /// When another vmrun wrote it, which knows of plans what this one does not.
    pub(super) fn plan(&self) -> io::Result<Plan> {
        // As bytes, like the journal and what QEMU says: what reads plans from texts would be made besides.
        Ok(serde_json::from_slice(self.plan.get().as_bytes())?)
    }
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reached {
    /// QEMU is there; the guest has not run an instruction.
    Spawned,
    /// The guest runs.
    Running,
    /// The services that start after the guest, and the hooks at `running`, had their turn.
    Accompanied,
}

/// The file in the run folder.
pub(super) struct StateFile {
    path: PathBuf,
    state: RefCell<Option<RunState>>,
}

impl StateFile {
    /// In the run folder `dir`; not written yet.
    pub(super) fn new(dir: &Path) -> Self {
        Self { path: dir.join(FILE), state: RefCell::new(None) }
    }

    /// As an earlier vmrun left it in `dir`; `None` when it did not come so far.
    ///
    /// # Errors
    /// When it cannot be read, or was written by another version.
    pub(super) fn load(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let Head { v } = serde_json::from_slice(&text)?;
        if v != VERSION {
            let why = format!("{} has version {v}, this vmrun writes {VERSION}", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Some(Self { path, state: RefCell::new(Some(serde_json::from_slice(&text)?)) }))
    }

    /// What stands in it.
    pub(super) fn state(&self) -> Option<RunState> {
        self.state.borrow().clone()
    }

    /// Writes down that `order` has a QEMU now, started by `plan`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn spawned(&self, order: &Order, plan: &Plan, (qemu, since): (ProcessId, u64)) -> io::Result<()> {
        let Order { boot_id, folder, log_dir, .. } = order;
        *self.state.borrow_mut() = Some(RunState {
            v: VERSION,
            boot_id: boot_id.clone(),
            qemu,
            reached: Reached::Spawned,
            alive: false,
            since,
            plan: to_raw_value(plan)?,
            folder: folder.clone(),
            log_dir: log_dir.clone(),
        });
        self.write()
    }

    /// Writes down how far the run came. What was reached once stays so when the guest is started cold.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn reached(&self, reached: Reached) -> io::Result<()> {
        if let Some(state) = &mut *self.state.borrow_mut() {
            state.reached = reached;
        }
        self.write()
    }

    /// Whether the guest has shown a sign of life.
    pub(super) fn is_alive(&self) -> bool {
        self.state.borrow().as_ref().is_some_and(|state| state.alive)
    }

    /// Writes down that the guest has shown a sign of life.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn lives(&self) -> io::Result<()> {
        if let Some(state) = &mut *self.state.borrow_mut() {
            state.alive = true;
        }
        self.write()
    }

    /// Whole or not at all. Not synced: it is of no use after a reboot.
    fn write(&self) -> io::Result<()> {
        let next = self.path.with_extension("next");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        let mut out = io::BufWriter::new(file);
        serde_json::to_writer(&mut out, &*self.state.borrow())?;
        io::Write::flush(&mut out)?;
        fs::rename(&next, &self.path)
    }
}
