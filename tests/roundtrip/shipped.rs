//! Every shipped profile and example goes out as a domain of libvirt and comes in again with the same command line, but for
//! what the export says that it is not in it.

use crate::doors::{come_in, drafted};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use vmrun::export::{From, Gap, libvirt};
use vmrun::plan::Contents;

#[test]
fn every_shipped_guest_comes_back_from_libvirt_as_the_one_it_was() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = ["profiles", "examples"].iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 20, "{files:?}");
    let mut differing = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let (root, contents) = drafted(&fs::read_to_string(&file).unwrap());
        let from = From { profile: name.into(), folder: Some("/srv/vm".into()), home: None, text: None };
        let made = libvirt(&root, &contents, &from);
        let (_, back) = drafted(&come_in("guest.xml", &made.text));
        let (was, is) = (arguments(&contents, &made.gaps), arguments(&back, &made.gaps));
        assert!(was.len() > 15, "{name}: {was:?}");
        differing.extend(was.difference(&is).map(|line| format!("{name}: was {line}\n")));
        differing.extend(is.difference(&was).map(|line| format!("{name}: is {line}\n")));
    }
    assert_eq!(differing.concat(), "");
}

/// QEMU's options, each with its value, without what the export has told and what has other names alone.
fn arguments(contents: &Contents, gaps: &[Gap]) -> BTreeSet<String> {
    let told = |key: &str| gaps.iter().any(|gap| gap.at.starts_with(key));
    let mut found = BTreeSet::new();
    for arg in contents.argv.args() {
        let mut value = arg.value.unwrap_or_default();
        if value.starts_with('{') {
            value = same_names(&value, told("net[0].hostfwd"));
        }
        if told("firmware.image") {
            value = value.replace(",pflash0=fw-image", "");
        }
        let is_told =
            (arg.option == "-smbios" && told("smbios.")) || (value.contains("fw-image") && told("firmware.image"));
        // A domain always says on which time its clock is, and libvirt's iothreads have numbers.
        let is_usual = value.contains("\"qom-type\":\"iothread\"") || (arg.option == "-rtc" && value == "base=utc");
        if !(is_told || is_usual) {
            found.insert(format!("{} {value}", arg.option));
        }
    }
    found
}

/// An object without names that are vmrun's own, and with its turn to boot or without one: libvirt's start at 1.
fn same_names(text: &str, forwards_told: bool) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    let object = value.as_object_mut().unwrap();
    if object.get("driver").is_some_and(|driver| driver == "vfio-pci") {
        object.remove("id");
    }
    if forwards_told {
        object.remove("hostfwd");
    }
    for key in ["iothread", "bootindex"] {
        if let Some(there) = object.get_mut(key) {
            *there = true.into();
        }
    }
    value.to_string()
}
