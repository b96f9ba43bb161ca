//! The folder that belongs to one run of a guest, and the two locks in it.
//!
//! `sup.lock` is held by the supervisor and closed on exec; `alive.lock` is inherited by QEMU, so it is held exactly as
//! long as the guest lives, even when the supervisor was killed. Both are `flock(2)` locks: they cannot be stale.

use super::ApplyError;
use super::fault::{Point, at};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What goes last from a run folder, in this order: until then whoever comes finds that there is something to finish, or is
/// kept out.
const LAST: [&str; 3] = [super::journal::FILE, "alive.lock", "sup.lock"];

/// A claimed run folder. Dropping it frees the locks; [`Instance::release`] also removes the folder.
#[derive(Debug)]
pub struct Instance {
    dir: PathBuf,
    _supervisor: File,
    alive: File,
}

/// What the locks of a run folder say about a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing runs and nothing is owed.
    Stopped,
    /// The run died before the host was put back.
    Owed,
    /// A vmrun is with the guest: it prepares the host, supervises, or puts the host back.
    Running,
    /// The guest runs and its supervisor is gone.
    Orphan,
    /// It is another user's, who lets nobody look.
    Foreign,
}

impl Instance {
    /// Makes the folder `dir`, checks that it is ours alone, and takes both locks.
    ///
    /// # Errors
    /// [`ApplyError::Busy`] when the guest runs or is being started or ended, [`ApplyError::Orphan`] when it runs and
    /// nobody supervises it, [`ApplyError::Untrusted`] when the folder
    /// is not ours alone, [`ApplyError::Io`] when it cannot be made.
    pub fn claim(dir: &Path) -> Result<Self, ApplyError> {
        make_private(dir)?;
        let supervisor = lock(dir, "sup.lock")?;
        let alive = lock(dir, "alive.lock")?;
        match (supervisor, alive) {
            (Some(supervisor), Some(alive)) => Ok(Self { dir: dir.to_owned(), _supervisor: supervisor, alive }),
            (None, _) => Err(ApplyError::Busy("it is running, or being started or ended".into())),
            (Some(_), None) => Err(ApplyError::Orphan),
        }
    }

    /// Takes the place of a supervisor that was killed, in the folder `dir` of a guest that runs.
    ///
    /// # Errors
    /// [`ApplyError::Busy`] when somebody is in that place, or the guest does not run; [`ApplyError::Untrusted`] and
    /// [`ApplyError::Io`] as [`Instance::claim`].
    pub fn adopt(dir: &Path) -> Result<Self, ApplyError> {
        check_own(dir)?;
        let busy = || ApplyError::Busy("it is running with its supervisor, or being started or ended".into());
        let supervisor = lock(dir, "sup.lock")?.ok_or_else(busy)?;
        let path = dir.join("alive.lock");
        let alive = File::open(&path).map_err(ApplyError::io("open", &path))?;
        if flock(&alive, FlockOperation::NonBlockingLockShared).is_ok() {
            return Err(ApplyError::Busy("it does not run".into()));
        }
        Ok(Self { dir: dir.to_owned(), _supervisor: supervisor, alive })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A descriptor of `alive.lock` for QEMU to inherit, with the lock.
    ///
    /// # Errors
    /// When another QEMU of this guest still has the lock, or the descriptor cannot be duplicated.
    pub fn alive(&self) -> Result<OwnedFd, ApplyError> {
        // Ours already, unless it was the lock of a guest that was adopted.
        flock(&self.alive, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| ApplyError::Busy("its QEMU has not ended yet".into()))?;
        self.alive.try_clone().map(OwnedFd::from).map_err(ApplyError::io("duplicate", self.dir.join("alive.lock")))
    }

    /// Removes the folder with everything in it, while the locks are held.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn release(self) -> Result<(), ApplyError> {
        at(Point::Release)?;
        let entries = fs::read_dir(&self.dir).map_err(ApplyError::io("read", &self.dir))?;
        for entry in entries.flatten().filter(|entry| LAST.iter().all(|name| entry.file_name() != *name)) {
            let path = entry.path();
            let gone = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            gone.map_err(ApplyError::io("remove", path))?;
        }
        for path in LAST.map(|name| self.dir.join(name)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ApplyError::io("remove", path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        match fs::remove_dir(&self.dir) {
            // Somebody came once the locks were gone: it is theirs now.
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
                return Err(ApplyError::io("remove", &self.dir)(error));
            }
            Ok(()) | Err(_) => {}
        }
        at(Point::Released)
    }
}

/// What the locks in `dir` say, without taking any for longer than a look.
#[must_use]
pub fn standing(dir: &Path) -> Standing {
    let free = |name: &str| match File::open(dir.join(name)) {
        Ok(file) => Some(flock(&file, FlockOperation::NonBlockingLockShared).is_ok()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(_) => Some(true),
    };
    match (free("sup.lock"), free("alive.lock")) {
        (None, _) | (_, None) => Standing::Foreign,
        (Some(true), Some(true)) if dir.join(super::journal::FILE).exists() => Standing::Owed,
        (Some(true), Some(true)) => Standing::Stopped,
        (Some(true), Some(false)) => Standing::Orphan,
        (Some(false), Some(_)) => Standing::Running,
    }
}

/// Waits until the guest in `dir` has ended: until nobody has its lock.
pub async fn gone(dir: &Path) {
    free(dir.join("alive.lock")).await;
}

/// Waits until the vmrun of the guest in `dir` has ended: until nobody has its lock. One that is killed loses its sockets
/// first.
pub async fn unsupervised(dir: &Path) {
    free(dir.join("sup.lock")).await;
}

async fn free(path: PathBuf) {
    let wait = move || File::open(path).map(|file| flock(&file, FlockOperation::LockShared));
    // Without the file, or a thread to wait in, there is nobody to wait for.
    let _ = tokio::task::spawn_blocking(wait).await;
}

/// The lock goes with the last descriptor of the open file, so it is never undone by hand: QEMU may hold one.
fn lock(dir: &Path, name: &str) -> Result<Option<File>, ApplyError> {
    let path = dir.join(name);
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&path);
        let file = match file {
            // Removed since it was made, by who had it before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(dir)?;
                continue;
            }
            file => file.map_err(ApplyError::io("open", &path))?,
        };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        // The one who held it may have removed the folder between our open and our lock.
        if same_file(&file, &path) {
            return Ok(Some(file));
        }
        make_private(dir)?;
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    let here = file.metadata().map(|meta| (meta.dev(), meta.ino()));
    let there = fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((here, there), (Ok(here), Ok(there)) if here == there)
}

fn make_private(dir: &Path) -> Result<(), ApplyError> {
    if let Some(parent) = dir.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(ApplyError::io("make", parent))?;
        check_parent(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(ApplyError::io("make", dir)(error)),
        _ => check_own(dir),
    }
}

fn check_own(dir: &Path) -> Result<(), ApplyError> {
    let meta = fs::symlink_metadata(dir).map_err(ApplyError::io("look at", dir))?;
    let me = nix::unistd::geteuid().as_raw();
    let why = match meta {
        ref meta if !meta.is_dir() => "it is not a folder".to_owned(),
        ref meta if meta.uid() != me => format!("it is owned by uid {}, not {me}", meta.uid()),
        // QEMU's user passes it on the way to the folder of the sockets.
        ref meta if meta.mode() & 0o066 != 0 => format!("others may look into it (mode {:o})", meta.mode() & 0o7777),
        _ => return Ok(()),
    };
    Err(ApplyError::Untrusted { path: dir.to_owned(), why })
}

fn check_parent(dir: &Path) -> Result<(), ApplyError> {
    let meta = fs::metadata(dir).map_err(ApplyError::io("look at", dir))?;
    let me = nix::unistd::geteuid().as_raw();
    let why = match meta {
        ref meta if meta.uid() != me && meta.uid() != 0 => format!("it is owned by uid {}, not {me}", meta.uid()),
        ref meta if meta.mode() & 0o022 != 0 && meta.mode() & 0o1000 == 0 => {
            format!("others may write in it (mode {:o})", meta.mode() & 0o7777)
        }
        _ => return Ok(()),
    };
    Err(ApplyError::Untrusted { path: dir.to_owned(), why })
}

#[cfg(test)]
mod test {
    use super::{Instance, Standing, standing};
    use crate::apply::ApplyError;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_guest_is_claimed_once_and_leaves_no_folder() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("vmrun/Windows");
        let first = Instance::claim(&dir).unwrap();
        assert!(matches!(Instance::claim(&dir), Err(ApplyError::Busy(_))));
        assert_eq!(standing(&dir), Standing::Running);
        first.release().unwrap();
        assert!(!dir.exists());
        assert_eq!(standing(&dir), Standing::Stopped);
        Instance::claim(&dir).unwrap();
    }

    #[test]
    fn a_guest_whose_supervisor_is_gone_is_an_orphan_as_long_as_its_lock_is_held() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("Windows");
        let instance = Instance::claim(&dir).unwrap();
        let inherited = instance.alive().unwrap();
        drop(instance);
        assert_eq!(standing(&dir), Standing::Orphan);
        assert!(matches!(Instance::claim(&dir), Err(ApplyError::Orphan)));
        let adopted = Instance::adopt(&dir).unwrap();
        assert_eq!(standing(&dir), Standing::Running);
        assert!(matches!(Instance::adopt(&dir), Err(ApplyError::Busy(_))));
        assert!(adopted.alive().is_err(), "the lock is still the guest's");
        drop(adopted);
        drop(inherited);
        assert!(Instance::claim(&dir).is_ok());
    }

    #[test]
    fn a_folder_that_is_not_ours_alone_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Instance::claim(&open), Err(ApplyError::Untrusted { .. })));
        let link = root.path().join("link");
        symlink(root.path(), &link).unwrap();
        assert!(matches!(Instance::claim(&link), Err(ApplyError::Untrusted { .. })));
        assert!(matches!(Instance::claim(&open.join("below")), Err(ApplyError::Untrusted { .. })));
    }
}
