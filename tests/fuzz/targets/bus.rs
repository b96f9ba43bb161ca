//! Any bytes as what logind says over the bus.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vmrun::supervise::fuzz_bus(bytes));
