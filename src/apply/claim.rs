//! Devices that one guest has at a time: a lock for each, which lives as long as the guest.
//!
//! A lock is inherited by QEMU like `alive.lock`, so that a device stays claimed when the supervisor was killed, and is
//! free when QEMU has ended. The file says whose it is, for the one who comes too late.

use super::ApplyError;
use crate::unit::{Bdf, GuestName};
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Folder of the locks, beside the folders of the runs; no guest can be called so.
const FOLDER: &str = ".claims";

/// A device that is a guest's.
#[derive(Debug)]
pub(super) struct Claimed {
    /// Its address.
    pub(super) bdf: Bdf,
    /// Holds its lock.
    pub(super) lock: File,
}

impl Claimed {
    /// Lets go of the device, also where QEMU has inherited the lock: it is one, however many hold it.
    pub(super) fn release(self) {
        if let Err(error) = flock(&self.lock, FlockOperation::Unlock) {
            tracing::warn!(bdf = %self.bdf, %error, "device stays claimed until its guest has ended");
        }
    }
}

/// Claims `bdf` for guest `name`, whose run folder is `dir`.
///
/// # Errors
/// [`ApplyError::Busy`] with the name of the guest that has it; [`ApplyError::Io`] when there can be no lock.
pub(super) fn claim(dir: &Path, name: &GuestName, bdf: Bdf) -> Result<Claimed, ApplyError> {
    let folder = dir.parent().unwrap_or(dir).join(FOLDER);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(ApplyError::io("make", &folder))?;
    let path = folder.join(format!("pci-{bdf}"));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&path)
        .map_err(ApplyError::io("open", &path))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut owner = String::new();
        // Without its name it is still taken.
        let _ = file.read_to_string(&mut owner);
        let owner = if owner.is_empty() { "another guest" } else { &owner };
        return Err(ApplyError::Busy(format!("{bdf} belongs to {owner}, which runs or is being started or ended")));
    }
    let write = |file: &mut File| file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{name}"));
    write(&mut file).map_err(ApplyError::io("write", &path))?;
    Ok(Claimed { bdf, lock: file })
}

#[cfg(test)]
mod test {
    use super::claim;
    use crate::unit::{Bdf, GuestName};

    #[test]
    fn a_device_is_claimed_by_one_guest_until_its_last_holder_is_gone() {
        let runs = tempfile::tempdir().unwrap();
        let name = |text: &str| GuestName::try_from(text.to_owned()).unwrap();
        let bdf: Bdf = "0000:01:00.0".parse().unwrap();
        let windows = claim(&runs.path().join("Windows"), &name("Windows"), bdf).unwrap();
        let inherited = windows.lock.try_clone().unwrap();
        drop(windows);
        let late = claim(&runs.path().join("Linux"), &name("Linux"), bdf).unwrap_err().to_string();
        assert_eq!(late, "0000:01:00.0 belongs to Windows, which runs or is being started or ended");
        drop(inherited);
        claim(&runs.path().join("Linux"), &name("Linux"), bdf).unwrap();
    }

    #[test]
    fn a_device_that_is_let_go_of_is_free_although_its_guest_holds_the_lock() {
        let runs = tempfile::tempdir().unwrap();
        let name = |text: &str| GuestName::try_from(text.to_owned()).unwrap();
        let bdf: Bdf = "0000:01:00.0".parse().unwrap();
        let windows = claim(&runs.path().join("Windows"), &name("Windows"), bdf).unwrap();
        let _inherited = windows.lock.try_clone().unwrap();
        windows.release();
        claim(&runs.path().join("Linux"), &name("Linux"), bdf).unwrap();
    }
}
