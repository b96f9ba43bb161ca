//! The one door to the file system of this floor.

use super::program::{self, Mute};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::{AccessFlags, eaccess};
use rustix::fs::{IFlags, fstatfs, ioctl_getflags};
use rustix::io_uring::{io_uring_params, io_uring_setup};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a file of sysfs holds at most, in bytes. Linux: `Documentation/filesystems/sysfs.rst`.
const PAGE: usize = 4096;

/// The root below which all facts are read; `/`, or a folder that a test laid out.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self(PathBuf::from("/"))
    }
}

impl Root {
    /// A root at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where the absolute path `path` lies below this root.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Content of a file without its trailing white space; `None` when it cannot be read as text.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        // Room for all that a file of sysfs holds, so that its size, which says nothing there, is not asked for.
        let mut text = String::with_capacity(PAGE);
        let file = fs::File::open(self.resolve(path)).ok()?;
        file.take(u64::MAX).read_to_string(&mut text).ok()?;
        Some(text.trim_end().to_owned())
    }

    /// Whether the file system of a file lets the page cache be passed by; `None` when the file cannot be opened.
    /// open(2), `O_DIRECT`.
    pub fn takes_direct(&self, path: impl AsRef<Path>) -> Option<bool> {
        let mut options = OpenOptions::new();
        match options.read(true).custom_flags(libc::O_DIRECT | libc::O_NONBLOCK).open(self.resolve(path)) {
            Ok(_) => Some(true),
            Err(error) => (error.raw_os_error() == Some(libc::EINVAL)).then_some(false),
        }
    }

    /// Whether a file lies on btrfs and was not freed of its checksums by `chattr +C`. Linux: `Documentation/filesystems/btrfs.rst`.
    pub(super) fn keeps_checksums(&self, path: impl AsRef<Path>) -> bool {
        let Ok(file) = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(self.resolve(path)) else {
            return false;
        };
        let free = ioctl_getflags(&file).is_ok_and(|flags| flags.contains(IFlags::NOCOW));
        fstatfs(&file).is_ok_and(|on| on.f_type == libc::BTRFS_SUPER_MAGIC) && !free
    }

    /// Whether this process gets an `io_uring` of the kernel as large as one of QEMU's, and other users would: a container or a sysctl may keep it from them.
    /// QEMU: `MAX_ENTRIES` of `block/io_uring.c`; Linux: `io_uring_disabled` of `Documentation/admin-guide/sysctl/kernel.rst`.
    pub(super) fn has_io_uring(&self) -> bool {
        let open_to_all = self.text("/proc/sys/kernel/io_uring_disabled").is_none_or(|level| level == "0");
        self.0 == Path::new("/") && open_to_all && io_uring()
    }

    /// Content of a file; `None` when it cannot be read.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        fs::read(self.resolve(path)).ok()
    }

    /// The first bytes of a file or device, `most` at most; `None` when they cannot be read.
    pub fn head(&self, path: impl AsRef<Path>, most: usize) -> Option<Vec<u8>> {
        let mut head = Vec::new();
        let file = fs::File::open(self.resolve(path)).ok()?;
        file.take(most as u64).read_to_end(&mut head).ok()?;
        Some(head)
    }

    /// `most` bytes of a file or device from `at` on, fewer where it ends; `None` when they cannot be read.
    pub fn piece(&self, path: impl AsRef<Path>, at: u64, most: usize) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        let mut file = fs::File::open(self.resolve(path)).ok()?;
        file.seek(SeekFrom::Start(at)).ok()?;
        file.take(most as u64).read_to_end(&mut piece).ok()?;
        Some(piece)
    }

    /// Whether a process holds QEMU's lock of those who write to the image at `path`.
    ///
    /// That is the byte `RAW_LOCK_PERM_BASE + 1` of `block/file-posix.c`, one for each permission; 1 is the number of
    /// `BLK_PERM_WRITE`.
    #[allow(clippy::cast_possible_truncation, reason = "small constants of fcntl(2), whose field is a short")]
    pub fn written_by_qemu(&self, path: impl AsRef<Path>) -> bool {
        let Ok(file) = fs::File::open(self.resolve(path)) else { return false };
        let mut lock = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: 101,
            l_len: 1,
            l_pid: 0,
        };
        let asked = fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).is_ok();
        asked && lock.l_type != libc::F_UNLCK as i16
    }

    /// First line that begins with `start`; the file is read no further than to there.
    pub fn line(&self, path: impl AsRef<Path>, start: &str) -> Option<String> {
        let file = fs::File::open(self.resolve(path)).ok()?;
        BufReader::new(file).lines().map_while(Result::ok).find(|line| line.starts_with(start))
    }

    /// The lines up to the first empty one; the file is read little further than to there.
    pub(super) fn paragraph(&self, path: impl AsRef<Path>) -> Vec<String> {
        let Ok(file) = fs::File::open(self.resolve(path)) else { return Vec::new() };
        let lines = BufReader::with_capacity(2048, file).lines().map_while(Result::ok);
        lines.take_while(|line| !line.is_empty()).collect()
    }

    /// What the link at `path` holds; `None` when there is no link.
    pub fn link(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        fs::read_link(self.resolve(path)).ok()
    }

    /// Last component of the link at `path`; `None` when there is no link.
    pub fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        self.link(path)?.file_name().and_then(|name| name.to_str()).map(str::to_owned)
    }

    /// Names in a folder, sorted; empty when there is none.
    pub fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.resolve(path)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Whether something stands at `path`.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.resolve(path).exists()
    }

    /// What stands at `path`, links followed.
    ///
    /// # Errors
    /// As `stat(2)`.
    pub fn metadata(&self, path: impl AsRef<Path>) -> io::Result<fs::Metadata> {
        fs::metadata(self.resolve(path))
    }

    /// Whether the effective user may execute `path`; `faccessat(2)` with `AT_EACCESS`.
    pub fn executable(&self, path: impl AsRef<Path>) -> bool {
        eaccess(&self.resolve(path), AccessFlags::X_OK).is_ok()
    }

    /// Whether the effective user may read and write `path`, which is not opened; `faccessat(2)` with `AT_EACCESS`.
    pub fn readable_and_writable(&self, path: impl AsRef<Path>) -> bool {
        eaccess(&self.resolve(path), AccessFlags::R_OK | AccessFlags::W_OK).is_ok()
    }

    /// Opens `path` for reading and writing and closes it again.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn try_read_write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        OpenOptions::new().read(true).write(true).open(self.resolve(path)).map(drop)
    }

    /// Puts `content` in the place of the file at `path` in one step; makes the folder when it is missing.
    ///
    /// # Errors
    /// As `mkdir(2)`, `open(2)`, `write(2)` and `rename(2)`.
    pub fn replace(&self, path: impl AsRef<Path>, content: &[u8]) -> io::Result<()> {
        let path = self.resolve(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let written = fs::write(&fresh, content).and_then(|()| fs::rename(&fresh, &path));
        if written.is_err() {
            // Of no use to anyone; the error that matters is the first one.
            let _ = fs::remove_file(&fresh);
        }
        written
    }

    /// Standard output of the program at `path`, which has `within` to end; it is killed when it takes longer or says
    /// more than any answer. `None` then, and when it cannot be run, fails or does not write text.
    pub fn output(&self, path: impl AsRef<Path>, args: &[&str], within: Duration) -> Option<String> {
        let output = program::output(&self.resolve(path), args, within).ok()?;
        String::from_utf8(output).ok()
    }

    /// What the program at `path` says to `input` until `enough` of it is there, within `within`; then it is killed.
    pub(super) fn converse(
        &self,
        path: &Path,
        args: &[&str],
        input: &[u8],
        enough: &dyn Fn(&[u8]) -> bool,
        within: Duration,
    ) -> Result<Vec<u8>, Mute> {
        program::converse(&self.resolve(path), args, input, enough, within)
    }
}

fn io_uring() -> bool {
    let mut params = io_uring_params::default();
    // SAFETY: without flags the kernel reads nothing else that the parameters would point to, and the ring is closed again unused.
    #[allow(unsafe_code)]
    let ring = unsafe { io_uring_setup(128, &mut params) };
    ring.is_ok()
}
