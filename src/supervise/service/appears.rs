//! A file, or a socket, that a companion makes when it is ready.

use crate::process::watched;
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io::{Errno, read};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;

/// A path that is watched.
pub(super) struct Appears {
    path: PathBuf,
    /// A socket that stood there before the start. Nobody who is only now started listens on it: `bind(2)` does not
    /// take a path that is taken, so a new socket is another file.
    stale: Option<Stamp>,
    inotify: AsyncFd<OwnedFd>,
}

/// What tells a file from the one that was there before; an inode number alone is given out again.
type Stamp = (u64, u64, i64, i64);

impl Appears {
    /// Watches `path`, and the folders on the way to it that are not there yet.
    pub(super) fn watch(path: &Path) -> io::Result<Self> {
        let inotify = watched(init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)?;
        let stale = fs::metadata(path).ok().filter(|meta| meta.file_type().is_socket());
        let appears = Self { path: path.to_owned(), stale: stale.as_ref().map(stamp), inotify };
        appears.watch_folders()?;
        Ok(appears)
    }

    /// Waits until it is there. Cancel-safe.
    pub(super) async fn there(&self) {
        // The folder was watched when it was looked at, so that what is made after the look is told.
        while self.watch_folders().is_ok() && !self.is_there() {
            self.changed().await;
        }
        if !self.is_there() {
            // It cannot be watched any more. Not there is what can be said, until the time is over.
            std::future::pending::<()>().await;
        }
    }

    /// Watches the folders from the root down, as far as they are there: when the next one is made, the last one tells.
    fn watch_folders(&self) -> io::Result<()> {
        let folders: Vec<&Path> = self.path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
        let made = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let mut last = Ok(());
        for folder in folders.iter().rev() {
            last = match add_watch(self.inotify.get_ref(), *folder, made) {
                Ok(_) => Ok(()),
                Err(Errno::NOENT) => return Ok(()),
                // One that we may not list matters only when it is the last.
                Err(errno) => Err(errno.into()),
            };
        }
        last
    }

    fn is_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|meta| self.stale != Some(stamp(&meta)))
    }

    /// Waits for a change in the folders and forgets what it was: the path is looked at anew.
    async fn changed(&self) {
        let Ok(mut ready) = self.inotify.readable().await else { return };
        let mut events = [0_u8; 4096];
        while read(self.inotify.get_ref(), &mut events).is_ok() {}
        ready.clear_ready();
    }
}

fn stamp(meta: &fs::Metadata) -> Stamp {
    (meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec())
}

#[cfg(test)]
mod test {
    use super::Appears;
    use std::fs;
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    #[tokio::test]
    async fn a_file_that_is_there_already_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        fs::write(&path, "1").unwrap();
        Appears::watch(&path).unwrap().there().await;
    }

    #[tokio::test]
    async fn folders_on_the_way_may_come_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/ready");
        let appears = Appears::watch(&path).unwrap();
        let make = async {
            for step in ["a", "a/b"] {
                fs::create_dir(folder.path().join(step)).unwrap();
                tokio::task::yield_now().await;
            }
            fs::rename(tempfile::NamedTempFile::new_in(&folder).unwrap().keep().unwrap().1, &path).unwrap();
        };
        tokio::join!(appears.there(), make);
    }

    #[tokio::test]
    async fn a_socket_left_from_before_does_not_count_and_a_new_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let appears = Appears::watch(&path).unwrap();
        let early = tokio::time::timeout(Duration::from_millis(20), appears.there()).await;
        assert!(early.is_err());
        fs::remove_file(&path).unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        appears.there().await;
    }
}
