//! `vmrun import`, driven as a user drives it: what comes out is a profile, and every line is accounted for.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::tempdir;
use vmrun::import::import;
use vmrun::profile::Profile;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

fn vmrun(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmrun")).arg("import").args(words).output().expect("vmrun runs")
}

/// The profile that the file becomes, which must be one, and its report.
fn imported(name: &str) -> (String, vmrun::import::Report) {
    let bytes = std::fs::read(file(name)).expect("the file is there");
    let made = import(name, &bytes).unwrap_or_else(|problem| panic!("{name}: {}", problem.what));
    if let Err(error) = toml::from_str::<Profile>(&made.profile) {
        panic!("{name}: {error}\n{}", made.profile);
    }
    (made.profile, made.report)
}

fn refusal(bytes: &[u8]) -> String {
    import("guest.xml", bytes).expect_err("it is refused").what
}

#[test]
fn the_guides_libvirt_guest_comes_over_whole() {
    let (profile, report) = imported("seed-libvirt.xml");
    assert!(report.is_complete(), "{:#?}", report.entries);
    for line in [
        "type = \"pc-i440fx-2.4\"",
        "uuid = \"a3bf6450-d26b-4815-b564-b1c9b098a740\"",
        "mac = \"52:54:00:fa:59:92\"",
        "host = \"0000:02:00.0\"",
        "x_vga = true",
        "server = \"unix:/run/user/1000/pulse/native\"",
        "samples = 1024",
    ] {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
}

#[test]
fn the_guides_script_comes_over_whole() {
    let (profile, report) = imported("seed-windows.sh");
    assert!(report.is_complete(), "{:#?}", report.entries);
    for line in [
        "name = \"Windows\"",
        "hide_kvm = true",
        "hv_spinlocks = 0x1fff",
        "hv_vendor_id = \"sugoidesu\"",
        "hugepages = \"2M\"",
        "image = \"./Windows_ovmf_x64.bin\"",
        "bridge = \"br0\"",
        "addr = \"09.1\"",
        "# Logitech G27",
        "id = \"046d:c29b\"",
        "unit = \"smbd.service\"",
        "user = \"REGULAR_USER\"",
    ] {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let dir = tempdir().expect("a folder");
    let out = dir.path().join("win7.toml");
    let words = [file("seed-libvirt.xml"), "-o".into(), out.clone()];
    let words: Vec<_> = words.iter().map(|word| word.to_str().expect("text")).collect();
    assert_eq!(vmrun(&words).status.code(), Some(0));
    let first = std::fs::read(&out).expect("it is written");
    std::fs::write(&out, "mine").expect("it can be written");
    assert_eq!(vmrun(&words).status.code(), Some(10));
    assert_eq!(std::fs::read_to_string(&out).expect("it is there"), "mine");
    let forced = [&words[..], &["--force"]].concat();
    assert_eq!(vmrun(&forced).status.code(), Some(0));
    assert_eq!(std::fs::read(&out).expect("it is there"), first);
}

#[test]
fn what_has_no_place_is_told_and_ends_with_a_code_of_its_own() {
    let dir = tempdir().expect("a folder");
    let path = dir.path().join("odd.xml");
    let xml =
        "<domain type='kvm'><name>odd</name><devices><parallel type='pty'/><colour hue='red'/></devices></domain>";
    std::fs::write(&path, xml).expect("it can be written");
    let output = vmrun(&[path.to_str().expect("text"), "--report", "json"]);
    assert_eq!(output.status.code(), Some(9));
    let report: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
    let lost = |what: &str| {
        let entries = report["entries"].as_array().expect("a list");
        entries.iter().any(|entry| entry["what"] == what && entry["fate"] == "lost")
    };
    assert!(lost("domain/devices/parallel"), "{report:#}");
    assert!(lost("domain/devices/colour"), "{report:#}");
}

#[test]
fn hostile_files_are_refused() {
    let bomb = b"<!DOCTYPE d [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><domain type='kvm'><name>&b;</name></domain>";
    assert!(refusal(bomb).contains("document type"));
    assert!(refusal(b"<domain><name>&b;</name></domain>").contains("entity"));
    assert!(refusal(&b"<a>".repeat(100_000)).contains("elements in each other"));
    assert!(refusal(&vec![b'<'; (4 << 20) + 1]).contains("larger than"));
    assert!(refusal(b"\xff\xfe<\0d\0").contains("UTF-8"));
    assert!(
        refusal(b"<domain type='kvm'><name>half").contains("cut off")
            || refusal(b"<domain><name>half").contains("well-formed")
    );
    assert!(refusal(b"<network><name>default</name></network>").contains("no guest"));
    assert!(refusal(b"a shopping list").contains("describes no guest"));
}
