//! The views of `vmrun host` of the machines in `tests/hosts`, held against pages beside this file.

use super::{held_in, output, text, vmrun};
use serde_json::Value;
use std::path::Path;

/// Machines, and the views that tell something of them that no other does.
const PAGES: [(&str, &[&str]); 3] = [
    ("x3d-two-gpus", &["", "groups", "gpus", "usb", "cpus", "memory", "firmware"]),
    ("hybrid-one-gpu", &["", "groups", "gpus", "cpus", "memory", "firmware"]),
    ("two-sockets", &["groups", "usb", "cpus", "memory"]),
];

fn file(host: &str) -> String {
    format!("{}/tests/hosts/{host}.json", env!("CARGO_MANIFEST_DIR"))
}

/// The words that show `view` of the machine in `file`.
fn words<'a>(view: &'a str, file: &'a str) -> Vec<&'a str> {
    ["host", view, "--host", file].into_iter().filter(|word| !word.is_empty()).collect()
}

fn each() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.iter().flat_map(|(host, views)| views.iter().map(|view| (*host, *view)))
}

#[test]
fn each_view_reads_as_its_golden_in_80_columns() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/host");
    let differing: Vec<_> = each()
        .filter_map(|(host, view)| {
            let shown = output(&words(view, &file(host)));
            assert_eq!((shown.status.code(), text(&shown.stderr)), (Some(0), ""), "{host} {view}");
            let name = if view.is_empty() { "summary" } else { view };
            held_in(&folder, &format!("{host}.{name}.txt"), text(&shown.stdout))
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn what_check_finds_reads_as_its_golden_in_80_columns() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/host");
    let pages = [("x3d-two-gpus", true), ("hybrid-one-gpu", false), ("no-iommu", false)];
    let differing: Vec<_> = pages
        .into_iter()
        .filter_map(|(host, all)| {
            let file = file(host);
            let mut words = vec!["check", "--host", &file];
            words.extend(all.then_some("--all"));
            let shown = output(&words);
            assert_eq!((shown.status.code(), text(&shown.stderr)), (Some(1), ""), "{host}");
            held_in(&folder, &format!("{host}.check.txt"), text(&shown.stdout))
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn no_view_is_wider_than_the_terminal() {
    for (host, view) in each() {
        for columns in [60, 80, 140] {
            let file = file(host);
            let shown = vmrun(&words(view, &file)).env("COLUMNS", columns.to_string()).output().unwrap();
            let wide: Vec<_> = text(&shown.stdout).lines().filter(|line| line.chars().count() > columns).collect();
            assert_eq!(wide, Vec::<&str>::new(), "{host} {view} in {columns} columns");
        }
    }
}

#[test]
fn each_view_is_there_for_programs_and_a_dump_of_a_dump_is_the_same() {
    for (host, view) in each().filter(|(_, view)| !view.is_empty()) {
        let file = file(host);
        let shown = output(&[words(view, &file), vec!["--json"]].concat());
        assert!(serde_json::from_slice::<Value>(&shown.stdout).unwrap().is_object(), "{host} {view}");
    }
    for (host, _) in PAGES {
        let first = output(&["host", "--dump", "--host", &file(host)]).stdout;
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("host.json");
        std::fs::write(&dump, &first).unwrap();
        assert_eq!(text(&output(&["host", "--dump", "--host", dump.to_str().unwrap()]).stdout), text(&first));
        assert!(text(&first).contains("\"pci\""));
    }
}

#[test]
fn a_view_is_coloured_when_asked_and_plain_under_no_color() {
    let file = file("x3d-two-gpus");
    let shown = |words: &[&str]| output(&[&["host", "gpus", "--host", file.as_str()], words].concat()).stdout;
    let coloured = shown(&["--color", "always"]);
    assert!(text(&coloured).contains("\u{1b}[33mcan be passed, with care"), "{}", text(&coloured));
    assert!(!text(&shown(&[])).contains('\u{1b}'));
}
