//! What goes wrong, row by row of `MATRIX.md`, and what is left of it: nothing. Real QEMU under TCG.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agent;
mod boot_sector;
mod guest;
mod host;
mod journal;
mod matrix;
mod monitor;
mod signals;
mod strangers;
mod stuck;
#[path = "../support/mod.rs"]
mod support;

use std::process::{Command, Output};
use support::vmrun::Bench;

/// What `script` does among mounts of its own, as `$0` vmrun and as `$1` the profile.
fn among_mounts(bench: &Bench, script: &str, profile: &str) -> Output {
    Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_vmrun"), profile])
        .env("VMRUN_RUNTIME_DIR", bench.path("runtime"))
        .env("VMRUN_STATE_DIR", bench.path("state"))
        .output()
        .unwrap()
}
