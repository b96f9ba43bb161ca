//! Any bytes as what a client says on a guest's control socket: each line has an answer, and each answer is one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let answers = vmrun::supervise::fuzz_control(bytes);
    for line in answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let answer: Value = serde_json::from_slice(line).expect("an answer is JSON");
        assert!(answer.get("return").is_some() != answer.get("error").is_some(), "{answer}");
    }
});
