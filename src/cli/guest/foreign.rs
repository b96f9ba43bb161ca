//! Guests of another user, of whom no more is seen than that they are there.

use crate::unit::GuestName;
use nix::unistd::{Uid, User};
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whose the guest in the run folder `dir` is, like `belongs to root`.
pub(super) fn belongs(dir: &Path) -> String {
    let Ok(meta) = fs::symlink_metadata(dir) else { return "belongs to another user".to_owned() };
    let user = User::from_uid(Uid::from_raw(meta.uid())).ok().flatten().map(|user| user.name);
    format!("belongs to {}", user.unwrap_or_else(|| format!("uid {}", meta.uid())))
}

/// The command that tells of the guest `name` all the same.
pub(super) fn ask_as_root(name: &GuestName) -> String {
    // sudo keeps no variable that it is not told of.
    let chosen = env::var("VMRUN_RUNTIME_DIR").ok();
    let chosen = chosen.as_deref().and_then(|path| shlex::try_quote(path).ok());
    let chosen = chosen.map_or(String::new(), |path| format!("VMRUN_RUNTIME_DIR={path} "));
    format!("sudo {chosen}vmrun status {name}")
}
