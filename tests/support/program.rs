//! A program that a test writes and then has executed.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Writes `text` to an executable file at `path`.
///
/// Another process does it: were the file open for writing here while another test forks, the child would hold it until
/// it executes something, and to run it meanwhile fails with `ETXTBSY`.
///
/// # Panics
/// When it cannot be written.
pub(crate) fn write(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).expect("the program");
    let installed = Command::new("install").args(["-m", "755"]).args([draft.as_path(), path]).status();
    assert!(installed.expect("install, of coreutils").success());
    fs::remove_file(draft).expect("the draft");
}
