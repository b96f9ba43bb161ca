//! What is known of QEMU programs that were asked before.
//!
//! To start a QEMU only to ask it costs more than all of vmrun's own work before the guest.

use super::description::Qemu;
use crate::host::{Caller, Root};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Grows when a program is asked more than before, or its answers are kept in another form: what was said to an earlier
/// vmrun is then no answer.
const QUESTIONS: u32 = 2;

/// Programs that are remembered; the one asked longest ago is forgotten first.
const MOST: usize = 16;

/// What must be the same for a program to be the one that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) path: PathBuf,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Last change of the content: seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    /// Last change of the inode. Nix and `rpm-ostree` set every file's `modified` to one and the same moment; nobody can
    /// set this one.
    pub(super) changed: (i64, i64),
    /// Folders of modules and their last change: a driver that is installed later comes as a file there, and leaves the
    /// program as it was.
    pub(super) modules: Vec<(PathBuf, (i64, i64))>,
}

/// Where distributions put modules, below the prefix of the program: Arch and openSUSE, Fedora, Red Hat, Debian.
const MODULES: [&str; 4] = ["lib/qemu", "lib64/qemu", "lib64/qemu-kvm", "lib/x86_64-linux-gnu/qemu"];

impl Identity {
    /// Of the program at `path`, links followed; `None` when there is none.
    pub(super) fn of(root: &Root, path: &Path) -> Option<Self> {
        let meta = root.metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            inode: meta.ino(),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            modules: modules(root, path),
        })
    }
}

fn modules(root: &Root, path: &Path) -> Vec<(PathBuf, (i64, i64))> {
    let Some(prefix) = path.parent().and_then(Path::parent) else { return Vec::new() };
    let folders = MODULES.iter().map(|folder| prefix.join(folder));
    let changed = |folder: &Path| root.metadata(folder).ok().map(|meta| (meta.mtime(), meta.mtime_nsec()));
    folders.filter_map(|folder| changed(&folder).map(|changed| (folder, changed))).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The [`QUESTIONS`] that it was asked.
    #[serde(default)]
    asked: u32,
    program: Identity,
    /// A [`Qemu`]; only the one that is looked for is understood.
    qemu: Box<RawValue>,
}

/// The programs known, and the file that keeps them; without a file when the caller has no cache folder.
pub(super) struct Cache {
    file: Option<PathBuf>,
    entries: Vec<Entry>,
}

impl Cache {
    /// The caller's cache; empty when there is none yet, and when it cannot be read.
    pub(super) fn read(root: &Root, caller: &Caller) -> Self {
        let file = caller.cache.as_ref().map(|folder| folder.join("qemu.json"));
        let text = file.as_ref().and_then(|file| root.text(file));
        let entries = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { file, entries }
    }

    /// What exactly this program said.
    pub(super) fn find(&self, program: &Identity) -> Option<Qemu> {
        let entry = self.entries.iter().find(|entry| entry.asked == QUESTIONS && entry.program == *program)?;
        // Of another vmrun, which knew other things: it is asked anew.
        serde_json::from_str(entry.qemu.get()).ok()
    }

    /// Remembers what `program` said. That it cannot be written costs the next start its time, nothing more.
    pub(super) fn keep(self, root: &Root, program: &Identity, qemu: &Qemu) {
        let Self { file: Some(file), mut entries } = self else { return };
        let Ok(qemu) = serde_json::value::to_raw_value(qemu) else { return };
        entries.retain(|entry| entry.program.path != program.path);
        entries.insert(0, Entry { asked: QUESTIONS, program: program.clone(), qemu });
        entries.truncate(MOST);
        if let Ok(text) = serde_json::to_vec(&entries) {
            let _ = root.replace(file, &text);
        }
    }
}
