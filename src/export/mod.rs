//! Floor 3: the way out. A guest in the forms that others start: pure functions of its plan.
//!
//! What a form has no words for is a [`Gap`], so that nothing is left out in silence.

mod document;
mod kubevirt;
mod libvirt;
mod script;
mod xml;

pub use kubevirt::kubevirt;
pub use libvirt::libvirt;
pub use script::script;

use crate::plan::Contents;
use crate::unit::Size;
use serde::Serialize;
use std::path::PathBuf;

/// A guest in another form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The text of it.
    pub text: String,
    /// What is not in it.
    pub gaps: Vec<Gap>,
}

/// Something of a guest for which a form has no words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The key of the profile that asks for it.
    pub at: String,
    /// What is missing, and what happens instead.
    pub what: String,
}

impl Gap {
    /// What the key `at` asks for is missing: `what`.
    fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }
}

/// All of the guest's memory as it is planned, in bytes: a profile may leave it to vmrun.
fn memory(contents: &Contents) -> u64 {
    let given = contents.argv.args().into_iter().find(|arg| arg.option == "-m").and_then(|arg| arg.value);
    let size = given.as_deref().and_then(|given| given.split(',').find_map(|part| part.strip_prefix("size=")));
    size.and_then(|size| size.parse().ok()).map_or(0, Size::bytes)
}

/// How many of `level` there are in the next larger one, as it is planned: pins that vmrun chooses decide that.
fn count_of(contents: &Contents, level: &str) -> u32 {
    let planned = contents.argv.value("-smp").unwrap_or_default();
    let part = planned.split(',').find_map(|part| part.strip_prefix(level)?.strip_prefix('='));
    part.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Where a guest comes from.
#[derive(Clone, Debug)]
pub struct From {
    /// Its profile, as it is shown.
    pub profile: String,
    /// The folder of the profile, in which its hooks and companions run.
    pub folder: Option<PathBuf>,
    /// Home of who starts it, which `~` stands for.
    pub home: Option<PathBuf>,
    /// Its text, by itself.
    pub text: Option<String>,
}
