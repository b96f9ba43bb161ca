//! The folders of vmrun.

use crate::host::Caller;
use crate::plan::Kept;
use crate::profile::Setting;
use crate::supervise;
use crate::unit::GuestName;
use nix::unistd::{Uid, User};
use std::env;
use std::path::{Path, PathBuf, absolute};

/// Folder of the runs of root's guests.
const ROOTS_RUNS: &str = "/run/vmrun";

/// The folders for `guest` whose profile is the file `profile`.
pub(super) fn setting(profile: &Path, guest: &GuestName, caller: &Caller) -> Setting {
    Setting {
        dir: folder_of(profile),
        home: home(caller),
        run_dir: run_dir(guest, caller),
        state_dir: state_dir(caller),
        kept: kept_addresses(&state_dir(caller).join(guest.as_str())),
    }
}

/// The PCI addresses that the guest with the state folder `state` had. Addresses that cannot be read are no reason not to
/// start it.
fn kept_addresses(state: &Path) -> Kept {
    supervise::kept_addresses(state).unwrap_or_else(|error| {
        tracing::warn!(state = %state.display(), %error, "addresses.json cannot be read; devices may move in the guest");
        Kept::default()
    })
}

/// The absolute folder of `file`, whether that exists or not.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    let file = absolute(file).unwrap_or_else(|_| file.to_owned());
    file.parent().unwrap_or(Path::new("/")).to_owned()
}

/// Folder of the run of `guest`: `/run/vmrun/NAME` for root, else in the user's runtime folder.
pub(super) fn run_dir(guest: &GuestName, caller: &Caller) -> PathBuf {
    runs(caller).join(guest.as_str())
}

/// Folder of the runs of all guests: `VMRUN_RUNTIME_DIR`, else as said at [`run_dir`].
///
/// Without a login session there is no runtime folder (`XDG_RUNTIME_DIR`); then they lie with what is kept.
pub(super) fn runs(caller: &Caller) -> PathBuf {
    if let Some(chosen) = folder("VMRUN_RUNTIME_DIR") {
        return chosen;
    }
    match (caller.euid, folder("XDG_RUNTIME_DIR")) {
        (0, _) => PathBuf::from(ROOTS_RUNS),
        (_, Some(runtime)) => runtime.join("vmrun"),
        (_, None) => state_dir(caller).join("run"),
    }
}

/// Folders of the runs of all guests that are known here: the user's own, then root's.
pub(super) fn all_runs(caller: &Caller) -> Vec<PathBuf> {
    let roots = (caller.euid != 0 && folder("VMRUN_RUNTIME_DIR").is_none()).then(|| PathBuf::from(ROOTS_RUNS));
    [runs(caller)].into_iter().chain(roots).collect()
}

/// Folder of the run of `guest`, whoever runs it: the one that is there, else where the user's own would be.
pub(super) fn run_dir_of_any(guest: &GuestName, caller: &Caller) -> PathBuf {
    let there = all_runs(caller).into_iter().map(|runs| runs.join(guest.as_str())).find(|dir| dir.exists());
    there.unwrap_or_else(|| run_dir(guest, caller))
}

/// Folder of what is kept: `VMRUN_STATE_DIR`, else `/var/lib/vmrun` for root, else `vmrun` in `XDG_STATE_HOME`.
pub(super) fn state_dir(caller: &Caller) -> PathBuf {
    if let Some(chosen) = folder("VMRUN_STATE_DIR") {
        return chosen;
    }
    if caller.euid == 0 {
        return PathBuf::from("/var/lib/vmrun");
    }
    let state = folder("XDG_STATE_HOME").or_else(|| home(caller).map(|home| home.join(".local/state")));
    state.unwrap_or_else(env::temp_dir).join("vmrun")
}

/// Home of the user behind this run: under `sudo` the one who called it, whose files the profile speaks of.
pub(super) fn home(caller: &Caller) -> Option<PathBuf> {
    let user = |uid| User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.dir);
    match caller.invoker {
        Some(uid) => user(uid),
        None => folder("HOME").or_else(|| user(caller.euid)),
    }
}

fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
