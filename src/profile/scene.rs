//! What every table may look at while it is planned.

use super::Setting;
use crate::host::{Host, PathFact};
use crate::plan::{Access, Class, Draft, Lot, Problem, RunAs, SOCKETS};
use crate::unit::{GuestName, Version};
use std::path::{Path, PathBuf};

/// What runs the guest's instructions, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accel {
    /// The kernel's KVM.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// The surroundings of a table.
pub(super) struct Scene<'a> {
    pub(super) host: &'a Host,
    pub(super) setting: &'a Setting,
    /// The ordinary user that QEMU runs as; `None` when it runs as vmrun's.
    pub(super) user: Option<&'a RunAs>,
    pub(super) name: &'a GuestName,
    pub(super) accel: Accel,
    /// Version of QEMU; `None` when there is none, which is a problem of its own.
    pub(super) version: Option<Version>,
    pub(super) uefi: bool,
    /// Whether QEMU starts a kernel, without a boot loader.
    pub(super) kernel: bool,
    /// Whether a device lets another program map the guest's memory.
    pub(super) share_memory: bool,
}

impl Scene<'_> {
    pub(super) fn kvm(&self) -> bool {
        self.accel == Accel::Kvm
    }

    /// Whether QEMU is at least `version`. Without a QEMU the newest syntax is planned.
    pub(super) fn qemu_is(&self, version: Version) -> bool {
        self.version.is_none_or(|ours| ours >= version)
    }

    /// Whether QEMU, and what it needs beside it, run as root.
    pub(super) fn is_root(&self) -> bool {
        self.host.euid == 0 && self.user.is_none()
    }

    /// Login name of the user for whom root runs QEMU.
    pub(super) fn invoker(&self) -> Option<&str> {
        let uid = self.host.invoker.filter(|_| self.is_root())?;
        self.host.users.iter().find(|user| user.uid == uid).map(|user| user.name.as_str())
    }

    /// Login name of the user that companions of QEMU run as; `None` for the one that vmrun runs as.
    pub(super) fn login(&self) -> Option<String> {
        self.user.map(|user| user.user.clone())
    }

    /// Folder of the sockets by which QEMU and its companions talk; it belongs to the user that they run as.
    pub(super) fn sockets(&self) -> PathBuf {
        match self.user {
            Some(_) => self.setting.run_dir.join(SOCKETS),
            None => self.setting.run_dir.clone(),
        }
    }

    /// The same as [`Self::file`] for one that QEMU reads.
    pub(super) fn read_file(&self, path: &Path, key: &str, class: Class, draft: &mut Draft) -> PathBuf {
        let path = self.file(path, key, class, draft);
        draft.opens(key, &path, Access::Read, Lot::File);
        path
    }

    /// The absolute path that `path` means, with a problem of `class` at `key` unless a file or block device is there.
    pub(super) fn file(&self, path: &Path, key: &str, class: Class, draft: &mut Draft) -> PathBuf {
        let path = self.setting.resolve(path);
        if let Some(problem) = not_a_file(&path, self.host.path(&path), key, class) {
            draft.refuse(problem);
        }
        path
    }
}

/// Notes that QEMU makes a socket at `path`, in the place of the one that was there.
pub(super) fn made_by_qemu(key: &str, path: &Path, scene: &Scene, draft: &mut Draft) {
    if let Some(folder) = path.parent().filter(|folder| *folder != scene.sockets()) {
        draft.opens(key, folder, Access::Write, Lot::Folder);
    }
}

fn not_a_file(path: &Path, fact: &PathFact, key: &str, class: Class) -> Option<Problem> {
    let path = path.display();
    match fact {
        PathFact::File { .. } | PathFact::Block => None,
        PathFact::Missing => Some(Problem::new(class, key, format!("{path} does not exist"))),
        PathFact::Folder { .. } => Some(Problem::new(class, key, format!("{path} is a folder, not a file"))),
        PathFact::Other => Some(Problem::new(class, key, format!("{path} is neither a file nor a block device"))),
        PathFact::Unreadable(why) => {
            Some(Problem::new(Class::Denied, key, format!("{path} cannot be looked at")).why(why.clone()))
        }
    }
}
