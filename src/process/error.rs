//! What went wrong with a process.

use std::io;
use thiserror::Error;

/// Why a process could not be started or watched. For a reader: every caller does the same with it.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct ProcessError {
    /// The sentence, with the path or the name it is about.
    pub what: String,
    /// What the kernel said; `None` when vmrun itself refused.
    #[source]
    pub source: Option<io::Error>,
}

impl ProcessError {
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }

    /// The sentence and what the kernel said, in one line.
    #[must_use]
    pub fn whole(&self) -> String {
        match &self.source {
            Some(source) => format!("{}: {source}", self.what),
            None => self.what.clone(),
        }
    }
}
