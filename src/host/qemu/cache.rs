//! What is known of QEMU programs that were asked before.
//!
//! To start a QEMU only to ask it costs more than all of vmrun's own work before the guest.

use super::description::Qemu;
use crate::host::{Caller, Root};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Grows when a program is asked more than before, or its answers are kept in another form: what was said to an earlier
/// vmrun is then no answer.
const QUESTIONS: u32 = 3;

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

/// The first line of a file of the cache; the second one is a [`Qemu`], which is only understood when this fits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// The [`QUESTIONS`] that it was asked.
    asked: u32,
    program: Identity,
}

/// What exactly this program said; `None` when it was not asked yet, or that cannot be read.
pub(super) fn find(root: &Root, caller: &Caller, program: &Identity) -> Option<Qemu> {
    let text = root.text(file(caller, &program.path)?)?;
    let (head, qemu) = text.split_once('\n')?;
    let head: Head = serde_json::from_slice(head.as_bytes()).ok()?;
    // Of another vmrun, which knew other things: it is asked anew.
    (head.asked == QUESTIONS && head.program == *program).then(|| serde_json::from_slice(qemu.as_bytes()).ok())?
}

/// Remembers what `program` said. That it cannot be written costs the next start its time, nothing more.
pub(super) fn keep(root: &Root, caller: &Caller, program: &Identity, qemu: &Qemu) {
    let Some(file) = file(caller, &program.path) else { return };
    let head = serde_json::to_string(&Head { asked: QUESTIONS, program: program.clone() });
    let lines = head.and_then(|head| Ok(format!("{head}\n{}", serde_json::to_string(qemu)?)));
    if lines.is_ok_and(|lines| root.replace(&file, lines.as_bytes()).is_ok()) {
        forget(root, &file);
    }
}

/// Each program has a file of its own, so that no start reads what others said; `None` when the caller has no cache folder.
fn file(caller: &Caller, program: &Path) -> Option<PathBuf> {
    let name = Uuid::new_v5(&Uuid::NAMESPACE_URL, program.as_os_str().as_bytes());
    caller.cache.as_ref().map(|folder| folder.join(format!("qemu/{name}.json")))
}

/// Removes what is more than [`MOST`] beside `newest`.
fn forget(root: &Root, newest: &Path) {
    let Some(folder) = newest.parent() else { return };
    let files = root.names(folder).into_iter().map(|name| folder.join(name));
    let mut dated: Vec<_> =
        files.filter_map(|file| Some((root.metadata(&file).ok()?.modified().ok()?, file))).collect();
    dated.sort();
    let more = dated.len().saturating_sub(MOST);
    for (_, file) in dated.iter().filter(|(_, file)| file != newest).take(more) {
        // Somebody else may have removed it.
        let _ = fs::remove_file(root.resolve(file));
    }
}
