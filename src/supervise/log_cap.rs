//! Keeps QEMU's log within bounds: a guest can make QEMU complain without end.

use crate::process::watched;
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init, remove_watch};
use rustix::io::read;
use std::fs::File;
use std::future::pending;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// Size at which the log is put aside as `qemu.log.old`; with that one, 10 MiB at most.
const LIMIT: u64 = 5 << 20;
/// Pause after each look, so that a flood does not keep vmrun busy. A log that is not written to causes none.
const PAUSE: Duration = Duration::from_millis(100);

/// A log that is watched, and emptied when it grew too long. QEMU appends, so that it goes on at the new end.
pub(super) struct LogCap {
    path: PathBuf,
    /// With the number of its only watch.
    inotify: Option<(AsyncFd<OwnedFd>, i32)>,
}

impl LogCap {
    /// Watches the log at `path`; one that cannot be watched grows as it likes.
    pub(super) fn watch(path: &Path) -> Self {
        let watch = || -> io::Result<_> {
            let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            let number = add_watch(&inotify, path, WatchFlags::MODIFY)?;
            Ok((watched(inotify)?, number))
        };
        let inotify = watch().inspect_err(|error| tracing::warn!(%error, "QEMU's log cannot be watched")).ok();
        Self { path: path.to_owned(), inotify }
    }

    /// Stops watching, as the guest is over. The kernel takes some 15 ms to be rid of a watch, and whoever closes one waits for
    /// that; QEMU's own end takes as long. Linux: `fs/notify/mark.c`, `fsnotify_wait_marks_destroyed`.
    pub(super) fn let_go(&self) {
        if let Some((inotify, number)) = &self.inotify {
            // Gone already is as well.
            let _ = remove_watch(inotify, *number);
        }
    }

    /// Waits until something was written, and cuts the log when that was too much. Cancel-safe.
    pub(super) async fn next(&self) {
        let Some((inotify, _)) = &self.inotify else { return pending().await };
        let Ok(mut ready) = inotify.readable().await else { return pending().await };
        let mut events = [0_u8; 4096];
        while read(inotify.get_ref(), &mut events).is_ok() {}
        ready.clear_ready();
        if let Err(error) = self.cut() {
            tracing::warn!(%error, "QEMU's log cannot be cut");
        }
        sleep(PAUSE).await;
    }

    fn cut(&self) -> io::Result<()> {
        let mut log = File::options().read(true).write(true).open(&self.path)?;
        let size = log.metadata()?.len();
        if size <= LIMIT {
            return Ok(());
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        let mut old = options.open(self.path.with_extension("log.old"))?;
        log.seek(SeekFrom::Start(size - LIMIT))?;
        io::copy(&mut io::Read::take(&mut log, LIMIT), &mut old)?;
        log.set_len(0)
    }
}

#[cfg(test)]
mod test {
    use super::{LIMIT, LogCap};
    use std::fs::{self, File};
    use std::io::Write;

    #[tokio::test(start_paused = true)]
    async fn a_log_that_grew_too_long_is_emptied_and_its_end_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qemu.log");
        let mut qemu = File::options().append(true).create(true).open(&path).unwrap();
        let cap = LogCap::watch(&path);
        writeln!(qemu, "first").unwrap();
        cap.next().await;
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
        qemu.write_all(&vec![b'x'; usize::try_from(LIMIT).unwrap() + 100]).unwrap();
        qemu.write_all(b"end").unwrap();
        cap.next().await;
        writeln!(qemu, "after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        let old = fs::read_to_string(folder.path().join("qemu.log.old")).unwrap();
        assert!(old.len() as u64 == LIMIT && old.ends_with("xend"), "{}", old.len());
    }
}
