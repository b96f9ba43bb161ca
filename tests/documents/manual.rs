//! The pages of the manual: mandoc finds nothing wrong, every command has one, and every key stands in vmrun-profile(5).

use clap::CommandFactory;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use vmrun::profile::reference::{Reference, schema};

fn pages() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
    let status = command.args(["--quiet", "man"]).arg(folder.path()).status().expect("vmrun runs");
    assert!(status.success());
    folder
}

fn shown(page: &Path) -> String {
    let output = Command::new("mandoc").args(["-T", "utf8", "-O", "width=200"]).arg(page).output();
    let output = output.expect("mandoc runs; contrib/test-setup installs it");
    // Bold and underlined letters are overstruck.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut plain = String::new();
    for c in text.chars() {
        if c == '\u{8}' { _ = plain.pop() } else { plain.push(c) }
    }
    plain
}

#[test]
fn mandoc_finds_nothing_wrong_with_any_page() {
    let folder = pages();
    let files = ["man1", "man5"].map(|section| fs::read_dir(folder.path().join(section)).expect("pages"));
    let files: Vec<_> = files.into_iter().flatten().map(|entry| entry.expect("a page").path()).collect();
    let output = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(&files).output();
    let output = output.expect("mandoc runs; contrib/test-setup installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "");
}

#[test]
fn every_command_has_a_page_and_stands_in_the_first() {
    let folder = pages();
    let first = shown(&folder.path().join("man1/vmrun.1"));
    for command in vmrun::cli::args::Cli::command().get_subcommands() {
        let page = format!("vmrun-{}", command.get_name());
        assert!(folder.path().join(format!("man1/{page}.1")).is_file(), "{page}");
        assert!(first.contains(&page), "{page}\n{first}");
    }
}

#[test]
fn every_key_stands_in_the_page_about_profiles() {
    let folder = pages();
    let page = shown(&folder.path().join("man5/vmrun-profile.5"));
    for table in Reference::of(&schema()).tables {
        assert!(table.path.is_empty() || page.contains(&table.header()), "{}", table.header());
        for key in &table.keys {
            assert!(page.lines().any(|line| line.trim_start().starts_with(&*key.name)), "{}", table.path_of(key));
        }
    }
}
