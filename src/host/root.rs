//! The one door to the file system of this floor.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
        fs::read_to_string(self.resolve(path)).ok().map(|text| text.trim_end().to_owned())
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
}
