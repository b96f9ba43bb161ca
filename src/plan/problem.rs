//! What a reader is told when something cannot be done.

use serde::{Deserialize, Serialize};

/// A refusal, or a warning, for a person: where, what, why, how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Key path in the profile, like `pci[0].host`; empty when it is about no key.
    pub at: String,
    /// What is wrong, with every fact at hand; lower case, no full stop.
    pub what: String,
    /// Why that is a problem; empty when `what` says it all.
    pub why: String,
    /// What to do about it; may span lines.
    pub fix: String,
    /// Which exit code it leads to.
    pub class: Class,
}

/// Kind of a problem; decides the exit code (the table is in `cli`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The profile is wrong on any host.
    Invalid,
    /// The profile is valid and impossible on this host.
    Impossible,
    /// Something is not installed: QEMU, KVM, a module, firmware, systemd.
    Missing,
    /// Permission, trust or limits.
    Denied,
    /// The guest, a device or an image is in use.
    Busy,
}

impl Problem {
    /// A problem of `class` at key path `at`.
    #[must_use]
    pub fn new(class: Class, at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into(), why: String::new(), fix: String::new(), class }
    }

    /// The same with its reason.
    #[must_use]
    pub fn why(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// The same with its remedy.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..self }
    }
}
