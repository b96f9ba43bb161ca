//! The shell scripts of the repository: `contrib/quick-start` against recorded package managers, and shellcheck on all.
//!
//! Package managers of other distributions cannot be had here. Each test puts programs that record their call into
//! a folder which is the whole `PATH`, so the script finds only what its distribution would have.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A machine with exactly the named programs; each writes its name and arguments to a log and succeeds.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn with(programs: &[&str]) -> Self {
        let machine = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir_all(machine.dir.path().join("target/release")).expect("the build folder");
        machine.program("bin/id", "echo ${FAKE_UID:-0}");
        // `sudo` runs what it is given, after its own line in the log.
        for name in programs {
            let then = if *name == "sudo" { "exec \"$@\"" } else { "" };
            machine.program(&format!("bin/{name}"), &format!("{}\n{then}", machine.record(name)));
        }
        machine.program("target/release/vmrun", &machine.record("vmrun"));
        machine
    }

    fn record(&self, name: &str) -> String {
        format!("echo \"{name} $*\" >>'{}'", self.log().display())
    }

    fn program(&self, path: &str, body: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("the folder of the program");
        program::write(&path, &format!("#!/bin/sh\n{body}\n"));
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn quick_start(&self, uid: &str) -> Output {
        Command::new("/bin/bash")
            .arg(repository().join("contrib/quick-start"))
            .env_clear()
            .env("PATH", self.dir.path().join("bin"))
            .env("FAKE_UID", uid)
            .env("CARGO_TARGET_DIR", self.dir.path().join("target"))
            .output()
            .expect("bash runs")
    }

    /// Calls recorded so far, one a line.
    fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.log()).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What follows once QEMU is there.
const BUILD_AND_RUN: [&str; 2] = ["cargo build --release --locked", "vmrun demo"];

fn assert_installs_with(manager: &str, expected: &[&str]) {
    let machine = Machine::with(&["cargo", manager]);
    let output = machine.quick_start("0");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(machine.calls(), [expected, &BUILD_AND_RUN].concat());
}

#[test]
fn debian_gets_qemu_from_apt() {
    assert_installs_with(
        "apt-get",
        &[
            "apt-get -o DPkg::Lock::Timeout=600 update",
            "apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends qemu-system-x86 ovmf gcc libc6-dev",
        ],
    );
}

#[test]
fn fedora_gets_qemu_from_dnf() {
    assert_installs_with("dnf", &["dnf install -y qemu-system-x86-core edk2-ovmf gcc"]);
}

#[test]
fn arch_gets_qemu_from_pacman() {
    assert_installs_with("pacman", &["pacman -S --needed --noconfirm qemu-base edk2-ovmf gcc"]);
}

#[test]
fn opensuse_gets_qemu_from_zypper() {
    assert_installs_with("zypper", &["zypper --non-interactive install qemu-x86 qemu-ovmf-x86_64 gcc"]);
}

#[test]
fn a_regular_user_installs_through_sudo_and_sees_the_command_first() {
    let machine = Machine::with(&["cargo", "dnf", "sudo"]);
    let output = machine.quick_start("1000");
    assert_eq!(machine.calls()[0], "sudo dnf install -y qemu-system-x86-core edk2-ovmf gcc");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("running: sudo dnf install -y"), "{shown}");
}

#[test]
fn a_machine_that_has_qemu_but_no_linker_gets_only_that() {
    let machine = Machine::with(&["cargo", "dnf", "qemu-system-x86_64"]);
    let output = machine.quick_start("0");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(machine.calls()[0], "dnf install -y gcc");
}

#[test]
fn a_machine_that_has_everything_is_left_alone() {
    let machine = Machine::with(&["cargo", "apt-get", "qemu-system-x86_64", "cc"]);
    let output = machine.quick_start("0");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(machine.calls(), BUILD_AND_RUN);
}

#[test]
fn without_cargo_nothing_is_installed_and_the_message_says_where_it_is() {
    let machine = Machine::with(&["apt-get"]);
    let output = machine.quick_start("0");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("rustup.rs"), "{output:?}");
    assert!(machine.calls().is_empty(), "{:?}", machine.calls());
}

#[test]
fn an_unknown_package_manager_is_refused_by_naming_what_to_install() {
    let machine = Machine::with(&["cargo"]);
    let output = machine.quick_start("0");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("qemu-system-x86_64"), "{output:?}");
    assert!(machine.calls().is_empty(), "{:?}", machine.calls());
}

#[test]
fn the_test_setup_refuses_a_machine_without_apt_and_names_what_is_needed() {
    let machine = Machine::with(&[]);
    let output = Command::new("/bin/bash")
        .arg(repository().join("contrib/test-setup"))
        .env_clear()
        .env("PATH", machine.dir.path().join("bin"))
        .env("VMRUN_TEST_ROOT", machine.dir.path().join("root"))
        .output()
        .expect("bash runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("not found: apt-get"), "{said}");
    assert!(said.contains("QEMU 7.2 and 10.0"), "{said}");
    assert!(!machine.dir.path().join("root").exists());
}

/// Every shell script in `contrib` and `.ci`.
fn shell_scripts() -> Vec<PathBuf> {
    ["contrib", ".ci"]
        .iter()
        .flat_map(|folder| fs::read_dir(repository().join(folder)).expect("the folder"))
        .map(|entry| entry.expect("its entry").path())
        .filter(|path| fs::read(path).is_ok_and(|text| is_shell(&text)))
        .collect()
}

/// A program, or a snippet that names its shell for shellcheck.
fn is_shell(text: &[u8]) -> bool {
    text.starts_with(b"#!/usr/bin/env bash")
        || text.starts_with(b"#!/bin/sh")
        || text.starts_with(b"# shellcheck shell=")
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let scripts = shell_scripts();
    assert!(scripts.len() >= 4, "{scripts:?}");
    let output = Command::new("shellcheck").args(scripts).output();
    let output = output.expect("shellcheck runs; contrib/test-setup installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
