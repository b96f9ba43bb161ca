//! `entry/profile.rs` for libFuzzer.

#![no_main]

#[path = "../entry/profile.rs"]
mod profile;

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus { if profile::run(bytes) { Corpus::Keep } else { Corpus::Reject } });
