//! Masks of host CPUs on which the kernel's own work may run.

use crate::plan::Step;
use crate::unit::{CpuSet, read_mask, write_mask};
use serde::{Deserialize, Serialize};

/// A file of the kernel with a set of host CPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuMask {
    /// Absolute path. One that ends in `_list` holds a list like `0-3`, another one a mask like `0f`.
    pub path: String,
    /// What it holds before.
    pub from: String,
    /// What it holds after.
    pub to: String,
}

impl CpuMask {
    /// The host CPUs that `text` means in the file at `path`; `None` when it means none.
    #[must_use]
    pub fn read(path: &str, text: &str) -> Option<CpuSet> {
        if is_list(path) { text.parse().ok() } else { read_mask(text) }
    }

    /// `cpus` as the kernel shows them in the file at `path`, which holds something like `like`.
    #[must_use]
    pub fn write(path: &str, cpus: &CpuSet, like: &str) -> String {
        if is_list(path) { cpus.to_string() } else { write_mask(cpus, like) }
    }
}

fn is_list(path: &str) -> bool {
    path.ends_with("_list")
}

pub(super) fn inverse(masks: Vec<CpuMask>) -> Vec<CpuMask> {
    masks.into_iter().rev().map(|CpuMask { path, from, to }| CpuMask { path, from: to, to: from }).collect()
}

pub(super) fn steps(cpus: &CpuSet, masks: &[CpuMask]) -> Vec<Step> {
    let step = |CpuMask { path, from, to }: &CpuMask| Step::Mask {
        path: path.clone(),
        was: from.clone(),
        value: to.clone(),
        cpus: cpus.clone(),
    };
    masks.iter().map(step).collect()
}
