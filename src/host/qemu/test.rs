//! Programs that answer as QEMU does, some that do not, and the real one.

use super::cache::{self, Identity};
use super::{CPU, PC, Qemu, find, probe, read};
use crate::host::program::Mute;
use crate::host::tree::{Tree, lay_out};
use crate::host::{Caller, Root};
use crate::unit::Version;
use std::path::Path;
use std::time::Duration;

const CACHE: &str = "/home/alice/.cache/vmrun/qemu";

/// A program that answers as QEMU of `version` does, and leaves a line in `/runs` each time it is asked over QMP.
fn install(tree: &Tree, path: &str, version: &str) {
    tree.install(path, &script(version, &tree.root.resolve("/runs")));
}

/// `sed` reads on, as QEMU does; but for its version it answers each question with one name.
pub(in crate::host) fn script(version: &str, runs: &Path) -> String {
    let version: Vec<_> = version.split('.').collect();
    let [major, minor, micro] = version[..] else { panic!("three numbers") };
    let numbers = format!(r#"{{"major": {major}, "minor": {minor}, "micro": {micro}}}"#);
    [
        "#!/bin/sh\ncase $1 in\n",
        "-audiodev) printf 'Available audio drivers:\\nnone\\npa\\n' ;;\n",
        &format!("-machine) echo run >> '{}'\nexec sed -un \\\n", runs.display()),
        &format!(r#"-e 's/.*"query-version".*/{{"return": {{"qemu": {numbers}}}, "id": "query-version"}}/p;t' \"#),
        "\n",
        r#"-e 's/.*"id":"\([^"]*\)".*/{"return": [{"name": "usb-host"}], "id": "\1"}/p' ;;"#,
        "\n*) exit 1 ;;\nesac\n",
    ]
    .concat()
}

fn runs(root: &Root) -> usize {
    root.text("/runs").unwrap_or_default().lines().count()
}

/// Path and version of what was found, and whether it was heard over QMP.
fn read_qemu(tree: &Tree, wanted: Option<&str>) -> Option<(String, String, bool)> {
    let qemu = read(&tree.root, &tree.caller, wanted.map(Path::new))?;
    let heard = qemu.silent.is_none() && qemu.abilities.has_type("usb-host") == Some(true);
    Some((qemu.path.display().to_string(), qemu.version.to_string(), heard))
}

#[allow(clippy::unnecessary_wraps, reason = "compared with what may be none")]
fn qemu(path: &str, version: &str) -> Option<(String, String, bool)> {
    Some((path.to_owned(), version.to_owned(), true))
}

#[test]
fn a_known_qemu_is_not_asked_again_and_a_changed_one_is() {
    let tree = lay_out(&[]);
    install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
    let first = read(&tree.root, &tree.caller, None);
    let second = read(&tree.root, &tree.caller, None);
    assert_eq!(second, first);
    assert_eq!((read_qemu(&tree, None), runs(&tree.root)), (qemu("/usr/bin/qemu-system-x86_64", "7.2.22"), 1));

    install(&tree, "/usr/bin/qemu-system-x86_64", "10.0.2");
    for _ in 0..2 {
        assert_eq!(read_qemu(&tree, None), qemu("/usr/bin/qemu-system-x86_64", "10.0.2"));
        assert_eq!(runs(&tree.root), 2);
    }
}

#[test]
fn what_a_qemu_can_do_is_understood_and_kept() {
    let tree = lay_out(&[]);
    install(&tree, "/qemu", "10.0.2");
    for _ in 0..2 {
        let abilities = read(&tree.root, &tree.caller, Some(Path::new("/qemu"))).unwrap().abilities;
        assert_eq!(abilities.has_type("usb-host"), Some(true));
        assert_eq!(abilities.has_type("qxl"), Some(false));
        assert_eq!(abilities.has_audio_driver("pa"), Some(true));
        assert_eq!(abilities.has_audio_driver("pipewire"), Some(false));
        // It has no `-display help`, so nothing can be said.
        assert_eq!(abilities.has_display("gtk"), None);
    }
    assert_eq!(runs(&tree.root), 1);
}

#[test]
fn a_module_that_is_installed_later_is_seen() {
    let tree = lay_out(&[("/usr/lib/qemu/ui-curses.so", "")]);
    install(&tree, "/usr/bin/qemu-system-x86_64", "10.0.2");
    assert!(read_qemu(&tree, None).is_some() && read_qemu(&tree, None).is_some());
    assert_eq!(runs(&tree.root), 1);
    tree.install("/usr/lib/qemu/audio-pa.so", "");
    assert!(read_qemu(&tree, None).is_some());
    assert_eq!(runs(&tree.root), 2);
}

#[test]
fn two_qemus_are_known_side_by_side() {
    let tree = lay_out(&[]);
    install(&tree, "/old/qemu", "7.2.22");
    install(&tree, "/new/qemu", "10.0.2");
    for _ in 0..2 {
        assert_eq!(read_qemu(&tree, Some("/old/qemu")), qemu("/old/qemu", "7.2.22"));
        assert_eq!(read_qemu(&tree, Some("/new/qemu")), qemu("/new/qemu", "10.0.2"));
    }
    assert_eq!(runs(&tree.root), 2);
}

#[test]
fn every_part_of_the_identity_counts() {
    let tree = lay_out(&[]);
    install(&tree, "/qemu", "7.2.22");
    let identity = Identity::of(&tree.root, Path::new("/qemu")).unwrap();
    let known = Qemu::of_version("/qemu", "7.2.22".parse().unwrap());
    cache::keep(&tree.root, &tree.caller, &identity, &known);
    let find = |identity: &Identity| cache::find(&tree.root, &tree.caller, identity);
    assert_eq!(find(&identity).as_ref(), Some(&known));
    // Where another program's answer lies, it is no answer.
    let file = |path: &str| format!("{CACHE}/{}.json", uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, path.as_bytes()));
    std::fs::copy(tree.root.resolve(file("/qemu")), tree.root.resolve(file("/other"))).unwrap();
    let others = [
        Identity { path: "/other".into(), ..identity.clone() },
        Identity { inode: identity.inode + 1, ..identity.clone() },
        Identity { size: identity.size + 1, ..identity.clone() },
        Identity { modified: (identity.modified.0, identity.modified.1 + 1), ..identity.clone() },
        Identity { changed: (identity.changed.0 + 1, identity.changed.1), ..identity.clone() },
        Identity { modules: vec![("/lib/qemu".into(), (1, 0))], ..identity.clone() },
    ];
    for other in others {
        assert_eq!(find(&other), None, "{other:?}");
    }
}

#[test]
fn a_broken_cache_and_one_of_an_older_vmrun_are_passed_over_and_mended() {
    let tree = lay_out(&[]);
    install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
    assert!(read_qemu(&tree, None).is_some());
    let [name] = &tree.root.names(CACHE)[..] else { panic!("one file") };
    let file = format!("{CACHE}/{name}");
    let whole = tree.root.text(&file).unwrap();
    let older = whole.replacen("\"asked\":3", "\"asked\":2", 1);
    let stranger = whole.replacen("\"version\"", "\"colour\"", 1);
    for (count, content) in (2..).zip([&whole[..whole.len() / 2], "", "no JSON\nnor here", &older, &stranger]) {
        assert_ne!(content, whole);
        tree.root.replace(&file, content.as_bytes()).unwrap();
        for _ in 0..2 {
            assert_eq!(read_qemu(&tree, None), qemu("/usr/bin/qemu-system-x86_64", "7.2.22"));
            assert_eq!(runs(&tree.root), count, "{content}");
        }
    }
}

#[test]
fn of_many_programs_those_asked_longest_ago_are_forgotten() {
    let tree = lay_out(&[]);
    let paths: Vec<_> = (0..18).map(|number| format!("/qemu{number}")).collect();
    for path in &paths {
        install(&tree, path, "7.2.22");
        assert!(read_qemu(&tree, Some(path)).is_some());
    }
    assert_eq!((tree.root.names(CACHE).len(), runs(&tree.root)), (16, 18));
    for path in &paths[2..] {
        assert!(read_qemu(&tree, Some(path)).is_some());
    }
    assert_eq!(runs(&tree.root), 18);
}

#[test]
fn a_cache_that_cannot_be_written_costs_only_a_run() {
    let tree = lay_out(&[("/home/alice/.cache", "a file where the folder should be")]);
    install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
    for count in 1..=2 {
        assert_eq!(read_qemu(&tree, None), qemu("/usr/bin/qemu-system-x86_64", "7.2.22"));
        assert_eq!(runs(&tree.root), count);
    }
}

#[test]
fn writing_the_cache_leaves_no_other_file() {
    let tree = lay_out(&[]);
    install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
    assert!(read_qemu(&tree, None).is_some());
    assert_eq!(tree.root.names("/home/alice/.cache/vmrun"), ["qemu"]);
    assert_eq!(tree.root.names(CACHE).len(), 1);
}

#[test]
fn the_first_in_path_is_taken_then_red_hats_then_none() {
    let tree = lay_out(&[]);
    assert_eq!(read_qemu(&tree, None), None);
    install(&tree, "/usr/libexec/qemu-kvm", "9.1.0");
    assert_eq!(read_qemu(&tree, None), qemu("/usr/libexec/qemu-kvm", "9.1.0"));
    install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
    assert_eq!(read_qemu(&tree, None), qemu("/usr/bin/qemu-system-x86_64", "7.2.22"));
    install(&tree, "/usr/local/bin/qemu-system-x86_64", "10.0.2");
    assert_eq!(read_qemu(&tree, None), qemu("/usr/local/bin/qemu-system-x86_64", "10.0.2"));
}

#[test]
fn a_wanted_qemu_has_no_substitute() {
    let tree = lay_out(&[("/opt/qemu", "not executable")]);
    install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
    install(&tree, "/usr/bin/qemu-next", "10.0.2");
    assert_eq!(read_qemu(&tree, Some("/opt/none")), None);
    assert_eq!(read_qemu(&tree, Some("/opt/qemu")), None);
    assert_eq!(read_qemu(&tree, Some("qemu-next")), qemu("/usr/bin/qemu-next", "10.0.2"));
}

#[test]
fn what_fails_or_is_no_qemu_is_none_and_is_not_kept() {
    let tree = lay_out(&[]);
    tree.install("/a", "#!/bin/sh\necho 'GNU bash, version 5.2'\n");
    tree.install("/b", "#!/bin/sh\necho 'QEMU emulator version 7.2.0'\nexit 1\n");
    assert_eq!(read_qemu(&tree, Some("/a")), None);
    assert_eq!(read_qemu(&tree, Some("/b")), None);
    assert!(!tree.root.exists(CACHE));
}

#[test]
fn one_that_tells_only_its_version_is_used_and_asked_again() {
    let tree = lay_out(&[]);
    let garbage = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo '{\"return\": garbage'; done";
    for (name, listening) in [("/ends", "exit 1"), ("/garbage", garbage)] {
        let script = format!(
            "#!/bin/sh\ncase $1 in\n--version) echo QEMU emulator version 7.2.22 ;;\n*) {listening} ;;\nesac\n"
        );
        tree.install(name, &script);
        let found = read(&tree.root, &tree.caller, Some(Path::new(name))).unwrap();
        assert_eq!(found.version.to_string(), "7.2.22");
        assert!(found.silent.is_some_and(|why| why.contains("over QMP")));
        assert_eq!(found.abilities.has_type("usb-host"), None);
    }
    assert!(!tree.root.exists(CACHE));
}

#[test]
fn a_program_that_does_not_end_or_says_too_much_is_killed_with_what_it_started() {
    let tree = lay_out(&[]);
    tree.install("/silent", "#!/bin/sh\nsleep infinity\n");
    tree.install("/endless", "#!/bin/sh\nyes\n");
    let never = |_: &[u8]| false;
    let short = Duration::from_millis(50);
    let long = Duration::from_secs(600);
    // All calls wait for the program's end: that they come back shows it.
    assert_eq!(tree.root.output("/silent", &[], short), None);
    assert_eq!(tree.root.output("/endless", &[], long), None);
    assert_eq!(tree.root.converse(Path::new("/silent"), &[], b"x", &never, short), Err(Mute::Late));
    assert_eq!(tree.root.converse(Path::new("/endless"), &[], b"x", &never, long), Err(Mute::Endless));
    assert_eq!(tree.root.converse(Path::new("/none"), &[], b"x", &never, long), Err(Mute::Gone));
}

#[test]
fn the_real_qemu_of_this_machine_tells_what_it_can_do() {
    let tree = lay_out(&[]);
    let caller = Caller { cache: tree.caller.cache.clone(), ..Caller::current() };
    let Some(path) = find(&Root::default(), &caller, None) else { panic!("no QEMU; run contrib/test-setup") };
    let (version, abilities) = probe::ask(&Root::default(), &path).unwrap();
    assert!(version >= Version::new(6, 2));
    assert_eq!(abilities.has_type("virtio-blk-pci"), Some(true));
    assert_eq!(abilities.has_type("memory-backend-memfd"), Some(true));
    assert_eq!(abilities.has_type("no-such-device"), Some(false));
    assert_eq!(abilities.has_cpu_model("qemu64"), Some(true));
    assert_eq!(abilities.has_property(CPU, "hv-time"), Some(true));
    assert_eq!(abilities.has_property(PC, "hpet"), Some(true));
    assert_eq!(abilities.has_audio_driver("none"), Some(true));
    assert_eq!(abilities.has_display("none"), Some(true));
    assert!(abilities.machine("q35").is_some_and(|machine| machine.name.starts_with("pc-q35-")));
}
