//! Paths that `contrib/test-setup` wrote to its `env` file, and running the tools it installed.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A QEMU to test with.
pub(crate) struct Qemu {
    /// Major and minor version: `7.2`.
    pub(crate) version: &'static str,
    /// The program, or a script that ends in `exec` of it.
    pub(crate) binary: PathBuf,
}

/// Both QEMU versions the project supports, oldest first.
///
/// # Panics
/// Without the set-up: the message names `contrib/test-setup`.
pub(crate) fn qemus() -> [Qemu; 2] {
    [
        Qemu { version: "7.2", binary: path("VMRUN_TEST_QEMU_7_2") },
        Qemu { version: "10.0", binary: path("VMRUN_TEST_QEMU_10_0") },
    ]
}

/// What the set-up calls `name`: from the environment, else from `$VMRUN_TEST_ROOT/env`.
///
/// # Panics
/// When it is named nowhere or not there.
pub(crate) fn path(name: &str) -> PathBuf {
    let path = env::var_os(name).map_or_else(|| path_in_file(name), PathBuf::from);
    assert!(path.exists(), "{name}: {} is not there; run contrib/test-setup", path.display());
    path
}

fn path_in_file(name: &str) -> PathBuf {
    let root = env::var("VMRUN_TEST_ROOT").unwrap_or_else(|_| "/var/cache/vmrun-test".to_owned());
    let file = PathBuf::from(root).join("env");
    let Ok(text) = fs::read_to_string(&file) else {
        panic!("{} cannot be read; run contrib/test-setup", file.display());
    };
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let Some(value) = value else {
        panic!("{} does not name {name}; run contrib/test-setup", file.display());
    };
    PathBuf::from(value)
}

/// Runs `command` to its end and returns what it printed.
///
/// # Panics
/// When the program is missing or fails; the message holds what it said.
pub(crate) fn run(command: &mut Command) -> String {
    let program = command.get_program().to_owned();
    let Ok(output) = command.output() else {
        panic!("{} does not start; run contrib/test-setup", program.display());
    };
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
