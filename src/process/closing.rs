//! Who has a file open lets go of it: by closing it, or by ending.

use super::stop::ended;
use super::{stat, watched};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io::read;
use std::future::{Future, poll_fn};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;
use tokio::io::unix::AsyncFd;

/// Files of which it is told when somebody closes them; `inotify(7)`.
#[derive(Debug)]
pub struct Closing {
    inotify: AsyncFd<OwnedFd>,
}

impl Closing {
    /// Watches `files`, from now on. One that is not there has nobody who could close it.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance.
    pub fn watch(files: &[PathBuf]) -> io::Result<Self> {
        let inotify = watched(init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)?;
        for file in files {
            // A node of which we may not be told is left to the ends of processes.
            let _not_there = add_watch(inotify.get_ref(), file, WatchFlags::CLOSE);
        }
        Ok(Self { inotify })
    }

    /// Waits until one of the files was closed since the last time, or one of the processes `pids` has ended: then it is
    /// time to look who is left. Cancel-safe.
    pub async fn any(&self, pids: &[u32]) {
        // One that cannot be held any more has ended.
        let Ok(held) = pids.iter().map(|pid| watched(stat::open(*pid)?)).collect::<io::Result<Vec<_>>>() else {
            return;
        };
        let mut ends: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        ends.extend(held.iter().map(|pidfd| Box::pin(ended(pidfd)) as Pin<Box<dyn Future<Output = ()>>>));
        ends.push(Box::pin(self.closed()));
        poll_fn(|context| {
            let done = ends.iter_mut().any(|end| end.as_mut().poll(context).is_ready());
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn closed(&self) {
        let Ok(mut ready) = self.inotify.readable().await else { return };
        let mut events = [0_u8; 4096];
        while read(self.inotify.get_ref(), &mut events).is_ok() {}
        ready.clear_ready();
    }
}

#[cfg(test)]
mod test {
    use super::Closing;
    use std::fs::{self, File};
    use std::process::Command;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_file_that_is_closed_is_told_and_one_that_stays_open_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card0");
        fs::write(&path, "").unwrap();
        let (kept, closed) = (File::open(&path).unwrap(), File::open(&path).unwrap());
        let closing = Closing::watch(&[path, folder.path().join("none")]).unwrap();
        assert!(timeout(Duration::from_millis(20), closing.any(&[])).await.is_err());
        drop(closed);
        closing.any(&[]).await;
        assert!(timeout(Duration::from_millis(20), closing.any(&[])).await.is_err());
        drop(kept);
        closing.any(&[]).await;
    }

    #[tokio::test]
    async fn a_process_that_ends_is_told() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let closing = Closing::watch(&[]).unwrap();
        let pid = child.id();
        assert!(timeout(Duration::from_millis(20), closing.any(&[pid])).await.is_err());
        drop(child.stdin.take());
        closing.any(&[pid]).await;
        child.wait().unwrap();
        closing.any(&[pid]).await;
    }
}
