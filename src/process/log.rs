//! A log file that cannot fill the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Size at which a log is put aside as `NAME.old`; with that one, 10 MiB at most.
const LIMIT: u64 = 5 << 20;

/// A log of at most 10 MiB that keeps the newest of what is written.
pub struct Log {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Log {
    /// Opens the log at `path` for appending, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be opened, or is a link.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = options().open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size })
    }

    /// Appends `text`.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        let bytes = text.len() as u64;
        if self.size > 0 && self.size + bytes > LIMIT {
            let mut old = self.path.clone().into_os_string();
            old.push(".old");
            fs::rename(&self.path, old)?;
            *self = Self::open(&self.path)?;
        }
        self.file.write_all(text.as_bytes())?;
        self.size += bytes;
        Ok(())
    }
}

/// A link is not followed: it could name any file of the user that vmrun runs as.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
    options
}

#[cfg(test)]
mod test {
    use super::{LIMIT, Log};
    use std::fs;

    #[test]
    fn a_log_keeps_the_newest_within_its_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hook.log");
        let mut log = Log::open(&path).unwrap();
        let text = "x".repeat(1 << 20);
        (0..20).for_each(|_| log.write(&text).unwrap());
        log.write("last\n").unwrap();
        drop(log);
        let old = folder.path().join("hook.log.old");
        assert!(fs::metadata(&path).unwrap().len() <= LIMIT);
        assert!(fs::metadata(&old).unwrap().len() <= LIMIT);
        assert!(fs::read_to_string(&path).unwrap().ends_with("last\n"));
    }

    #[test]
    fn a_log_is_not_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hook.log");
        std::os::unix::fs::symlink(folder.path().join("victim"), &path).unwrap();
        assert!(Log::open(&path).is_err());
    }
}
