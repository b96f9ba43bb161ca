//! Why the host could not be prepared.

use std::io;
use std::path::PathBuf;

/// Why a deed on the host failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody else runs this guest; nothing was touched.
    #[error("{0}")]
    Busy(String),
    /// The guest runs and its supervisor is gone; nothing was touched.
    #[error("it runs on without its supervisor, which was killed")]
    Orphan,
    /// A folder of ours is not ours alone; nothing was touched.
    #[error("refusing to use {path}: {why}")]
    Untrusted {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The host did not do what it was told; the caller undoes and reports.
    #[error("{0}")]
    Refused(String),
    /// The kernel does not come back from what it was told. The caller tells it nothing more about that device, which
    /// would hang too, and reports.
    #[error("{0}")]
    Stuck(String),
    /// The kernel refused; the caller undoes and reports.
    #[error("cannot {doing} {path}")]
    Io {
        /// The verb, like `write`.
        doing: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
}

impl ApplyError {
    /// An [`ApplyError::Io`] for `map_err`.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
