//! Any text as a script, or a command line, that starts QEMU; what is made of it is a profile.

#![no_main]

#[path = "../entry/import.rs"]
mod import;

use libfuzzer_sys::{Corpus, fuzz_target};
use vmrun::import::Kind;

fuzz_target!(|bytes: &[u8]| -> Corpus { if import::run(bytes, Kind::Script) { Corpus::Keep } else { Corpus::Reject } });
