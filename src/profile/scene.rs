//! What every table may look at while it is planned.

use super::Setting;
use crate::host::{Host, PathFact};
use crate::plan::{Class, Draft, Problem};
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

    /// The absolute path that `path` means, with a problem of `class` at `key` unless a file or block device is there.
    pub(super) fn file(&self, path: &Path, key: &str, class: Class, draft: &mut Draft) -> PathBuf {
        let path = self.setting.resolve(path);
        if let Some(problem) = not_a_file(&path, self.host.path(&path), key, class) {
            draft.refuse(problem);
        }
        path
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
