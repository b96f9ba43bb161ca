//! Under which number QEMU has a device open.

use crate::host::Root;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which thing a path leads to. A node that is made anew is another one, whatever its name and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of what stands at `path`, links followed; `None` when nothing does.
    pub(super) fn of(root: &Root, path: &Path) -> Option<Self> {
        let found = root.metadata(path).ok()?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }
}

/// A descriptor of QEMU's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    number: String,
    what: Identity,
}

impl Opened {
    /// The descriptor by which the process `qemu` has `what` open; `None` when it has not. proc(5), `/proc/pid/fd`.
    pub(super) fn find(root: &Root, qemu: u32, what: Option<Identity>) -> Option<Self> {
        let (folder, what) = (format!("/proc/{qemu}/fd"), what?);
        let names = root.names(&folder);
        let number = names.into_iter().find(|name| Identity::of(root, &Path::new(&folder).join(name)) == Some(what))?;
        Some(Self { number, what })
    }

    pub(super) fn identity(&self) -> Identity {
        self.what
    }

    /// Whether the process has closed it, or has it still: nothing else is open under its number.
    pub(super) fn is_nobody_elses(&self, root: &Root, qemu: u32) -> bool {
        let now = Identity::of(root, Path::new(&format!("/proc/{qemu}/fd/{}", self.number)));
        now.is_none_or(|now| now == self.what)
    }
}
