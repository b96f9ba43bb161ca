//! `entry/journal.rs` for libFuzzer.

#![no_main]

#[path = "../entry/journal.rs"]
mod journal;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| journal::run(bytes));
