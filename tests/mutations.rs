//! What vmrun reads of others, damaged in thousands of ways: it is understood or refused, never a panic. The monitor's
//! stream, the journal, sysfs and imports here; the control socket and the bus stand beside their code. `contrib/fuzz`
//! runs the same entries for as long as one likes.

#[path = "fuzz/entry/import.rs"]
mod import;
#[path = "fuzz/entry/journal.rs"]
mod journal;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/entry/profile.rs"]
mod profile;
#[path = "fuzz/entry/qmp.rs"]
mod qmp;
#[path = "fuzz/entry/sysfs.rs"]
mod sysfs;

use mutate::feed;
use std::fs;
use std::path::Path;
use vmrun::import::Kind;

#[test]
fn profiles() {
    let golden = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).expect("the goldens");
    let golden = golden.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_dir());
    let golden: Vec<String> = golden.map(|entry| format!("tests/golden/{}", entry.file_name().display())).collect();
    let folders = golden.iter().map(String::as_str).chain(["examples", "profiles"]);
    feed(&folders.collect::<Vec<_>>(), 2000, |bytes| _ = profile::run(bytes));
}

#[test]
fn libvirt_domains() {
    feed(&["tests/import", "tests/fuzz/corpus/libvirt"], 2000, |bytes| _ = import::run(bytes, Kind::Libvirt));
}

#[test]
fn scripts_that_start_qemu() {
    feed(&["tests/import", "tests/fuzz/corpus/script"], 2000, |bytes| _ = import::run(bytes, Kind::Script));
}

#[test]
fn what_qemu_says() {
    feed(&["tests/fuzz/corpus/qmp"], 2000, qmp::run);
}

#[test]
fn journals() {
    feed(&["tests/fuzz/corpus/journal"], 2000, journal::run);
}

#[test]
fn machines() {
    feed(&["tests/fuzz/corpus/sysfs"], 1000, |bytes| _ = sysfs::run(bytes));
}
