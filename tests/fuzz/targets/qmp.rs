//! `entry/qmp.rs` for libFuzzer.

#![no_main]

#[path = "../entry/qmp.rs"]
mod qmp;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| qmp::run(bytes));
