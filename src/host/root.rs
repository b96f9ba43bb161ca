//! The one door to the file system of this floor.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{AccessFlags, eaccess};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Most bytes that are taken from a program's output.
const OUTPUT_LIMIT: usize = 64 << 10;

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
        let mut text = fs::read_to_string(self.resolve(path)).ok()?;
        text.truncate(text.trim_end().len());
        Some(text)
    }

    /// Content of a file; `None` when it cannot be read.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        fs::read(self.resolve(path)).ok()
    }

    /// First line that begins with `start`; the file is read no further than to there.
    pub fn line(&self, path: impl AsRef<Path>, start: &str) -> Option<String> {
        let file = fs::File::open(self.resolve(path)).ok()?;
        BufReader::new(file).lines().map_while(Result::ok).find(|line| line.starts_with(start))
    }

    /// Last component of the link at `path`; `None` when there is no link.
    pub fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.resolve(path)).ok()?;
        target.file_name().and_then(|name| name.to_str()).map(str::to_owned)
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
    /// more than any version text. `None` then, and when it cannot be run, fails or does not write text.
    pub fn output(&self, path: impl AsRef<Path>, args: &[&str], within: Duration) -> Option<String> {
        let mut child = Command::new(self.resolve(path))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let output = child.stdout.take().and_then(|stdout| drain(stdout, Instant::now() + within));
        finish(child, output.is_none()).then_some(output).flatten()
    }
}

/// All of `stdout` as text; `None` when it has no end before `deadline` or within the limit.
fn drain(mut stdout: ChildStdout, deadline: Instant) -> Option<String> {
    let mut output = Vec::new();
    let mut chunk = [0; 4096];
    while output.len() <= OUTPUT_LIMIT {
        let left = deadline.saturating_duration_since(Instant::now());
        let ready = poll(
            &mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)],
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        );
        match ready {
            Err(nix::errno::Errno::EINTR) => continue,
            Err(_) | Ok(0) => return None,
            Ok(_) => {}
        }
        match stdout.read(&mut chunk).ok()? {
            0 => return String::from_utf8(output).ok(),
            count => output.extend_from_slice(&chunk[..count]),
        }
    }
    None
}

/// Whether the child ended well; it is killed first when `kill` says so.
fn finish(mut child: Child, kill: bool) -> bool {
    if kill {
        // Fails only when the child has ended already, which is what is wanted.
        let _ = child.kill();
    }
    child.wait().is_ok_and(|status| status.success())
}
