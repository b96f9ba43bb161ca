//! What goes wrong, row by row of `MATRIX.md`, and what is left of it: nothing. Real QEMU under TCG.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod journal;
mod matrix;
mod signals;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
