//! The QEMU program, and what it can do.

mod cache;
mod description;
mod names;
mod probe;

pub use description::{Abilities, CPU, DESCRIBED, MachineModel, PC, Qemu};
pub use names::Names;

use super::{Caller, Root};
use cache::Identity;
use std::path::{Path, PathBuf};

const NAME: &str = "qemu-system-x86_64";

/// Where Red Hat's packages put the only QEMU they ship, outside of `PATH`.
const OUTSIDE: &str = "/usr/libexec/qemu-kvm";

/// The QEMU `wanted`, or else the first in `PATH`, or else Red Hat's.
///
/// `None` when there is none, or when what is there does not tell a version as QEMU does. One that tells its version
/// and nothing else is not remembered, so that it is asked again: what kept it from answering may be over.
pub(super) fn read(root: &Root, caller: &Caller, wanted: Option<&Path>) -> Option<Qemu> {
    let path = find(root, caller, wanted)?;
    // The identity is taken before the program runs: should it be replaced meanwhile, the entry matches nothing.
    let identity = Identity::of(root, &path)?;
    if let Some(known) = cache::find(root, caller, &identity) {
        return Some(known);
    }
    match probe::ask(root, &path) {
        Ok((version, abilities)) => {
            let qemu = Qemu { path, version, abilities, silent: None };
            cache::keep(root, caller, &identity, &qemu);
            Some(qemu)
        }
        Err(why) => {
            let version = probe::version(root, &path)?;
            Some(Qemu { silent: Some(why), ..Qemu::of_version(path, version) })
        }
    }
}

fn find(root: &Root, caller: &Caller, wanted: Option<&Path>) -> Option<PathBuf> {
    match wanted {
        Some(path) if path.components().count() > 1 => Some(path.to_owned()),
        Some(name) => in_path(root, caller, name),
        None => in_path(root, caller, Path::new(NAME)).or_else(|| Some(PathBuf::from(OUTSIDE))),
    }
    .filter(|path| is_program(root, path))
}

fn in_path(root: &Root, caller: &Caller, name: &Path) -> Option<PathBuf> {
    caller.path.iter().map(|folder| folder.join(name)).find(|path| is_program(root, path))
}

fn is_program(root: &Root, path: &Path) -> bool {
    root.metadata(path).is_ok_and(|meta| meta.is_file()) && root.executable(path)
}

#[cfg(test)]
pub(in crate::host) mod test;
