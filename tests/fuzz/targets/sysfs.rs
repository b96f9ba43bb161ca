//! `entry/sysfs.rs` for libFuzzer.

#![no_main]

#[path = "../entry/sysfs.rs"]
mod sysfs;

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus { if sysfs::run(bytes) { Corpus::Keep } else { Corpus::Reject } });
