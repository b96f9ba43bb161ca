//! What vmrun adds to QEMU, in one command: `cargo bench`. Every contestant of a comparison runs in the same rounds, so
//! that what else the machine does meets all of them; medians and ratios are printed, and nothing passes or fails.
//!
//! `cargo bench -- start scale` runs the parts that are named, `--rounds 101` more rounds of each, and
//! `--beside OLD/vmrun` another vmrun in the same rounds of `start` and `commands`: before and after.

// Paths of both QEMUs, shared with the tests, which use more of it.
#[allow(dead_code)]
#[path = "../support/setup.rs"]
mod setup;

mod commands;
mod figures;
mod ground;
mod idle;
mod libvirt;
mod marker;
mod memory;
mod monitor;
mod real;
mod scale;
mod size;
mod stand_in;
mod start;

use std::env;

/// Name under which this program is QEMU's stand-in.
const STAND_IN: &str = "qemu-system-x86_64";

/// A part, and how many rounds it has unless told otherwise.
type Part = (&'static str, usize, fn(usize));

const PARTS: [Part; 8] = [
    ("start", 51, start::run),
    ("real", 31, real::run),
    ("memory", 5, memory::run),
    ("scale", 15, scale::run),
    ("commands", 31, commands::run),
    ("idle", 1, idle::run),
    ("reboots", 1, idle::reboots),
    ("size", 1, size::run),
];

fn main() {
    let mut words = env::args();
    if words.next().is_some_and(|name| name.ends_with(STAND_IN)) {
        return stand_in::run();
    }
    // cargo adds a word of its own.
    let words: Vec<String> = words.filter(|word| word != "--bench").collect();
    let at = words.iter().position(|word| word == "--rounds");
    let rounds = at.and_then(|at| words.get(at + 1)?.parse().ok());
    let named: Vec<&String> = words.iter().filter(|word| PARTS.iter().any(|part| part.0 == **word)).collect();
    println!("{}", ground::machine());
    for (name, usual, run) in PARTS {
        if named.is_empty() || named.iter().any(|named| *named == name) {
            run(rounds.unwrap_or(usual));
        }
    }
}
