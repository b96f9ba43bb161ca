//! Whatever a text of the profile holds (commas, equals signs, quotes, blanks, dashes, letters of any alphabet), QEMU
//! has it as it was meant: what it was told is asked back, from it and from the guest. Real QEMU, both versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use support::setup::qemus;
use support::vmrun::{Bench, Run};

/// Disks of one guest, each with a file and a serial number of its own.
const DISKS: usize = 16;

/// Names of files: what shells, QEMU's option parser, JSON and TOML have a meaning for, and what none has.
const NAME: &str = "[-,=:;\"'\\\\ $`*?%#@&|<>~+!\\[\\]{}()a-zé漢😀]{1,20}";
/// Serial numbers and mount tags: printable ASCII.
const WORD: &str = "[!-~]{1,20}";
/// SMBIOS strings: printable ASCII and blanks, which do not end them.
const LINE: &str = "[ -~]{1,30}[!-~]";

/// Texts of one kind, the same at every run of the test.
struct Texts(TestRunner);

impl Texts {
    fn next(&mut self, pattern: &'static str) -> String {
        pattern.new_tree(&mut self.0).unwrap().current()
    }

    /// Names that differ, the first ones with what most often goes wrong at their start.
    fn names(&mut self, count: usize) -> Vec<String> {
        let starts = ["-", ",", "=", "\"", " ", "json:{", "nbd:", "~"];
        let name = |i: usize| format!("{}{}{i}", starts.get(i).unwrap_or(&""), self.next(NAME));
        (0..count).map(name).collect()
    }
}

/// `text` as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// What a profile is told, and QEMU must have.
struct Told {
    files: Vec<PathBuf>,
    serials: Vec<String>,
    tag: String,
    manufacturer: String,
    product: String,
}

impl Told {
    fn new(bench: &Bench) -> Self {
        let mut texts = Texts(TestRunner::deterministic());
        let files: Vec<_> = texts.names(DISKS).iter().map(|name| bench.path(name)).collect();
        for file in &files {
            fs::write(file, [0; 4096]).unwrap();
        }
        let serials = (0..DISKS).map(|_| texts.next(WORD)).collect();
        Self { files, serials, tag: texts.next(WORD), manufacturer: texts.next(LINE), product: texts.next(LINE) }
    }

    /// The tables that say it. Folders and contents whose names QEMU does not tell are in it too: it does not start
    /// when it finds no such thing.
    fn tables(&self, bench: &Bench) -> String {
        let Self { files, serials, tag, manufacturer, product } = self;
        let odd = "-a, b=c;\"d\" 'é'";
        fs::create_dir(bench.path(odd)).unwrap();
        let file = bench.write(&format!("{odd} file"), "content");
        let disks: String = files
            .iter()
            .zip(serials)
            .map(|(file, serial)| {
                let name = file.file_name().unwrap().to_str().unwrap();
                format!("[[disk]]\nfile = {}\nformat = \"raw\"\nserial = {}\n", quoted(name), quoted(serial))
            })
            .collect();
        format!(
            "{disks}[[share]]\nkind = \"9p\"\nsource = {}\ntag = {}\n[smbios.system]\nmanufacturer = {}\nproduct = {}\n\
             [[fw_cfg]]\nname = \"opt/a,b=c\"\nstring = {}\n[[fw_cfg]]\nname = \"opt/d\"\nfile = {}\n",
            quoted(odd),
            quoted(tag),
            quoted(manufacturer),
            quoted(product),
            quoted(odd),
            quoted(file.to_str().unwrap()),
        )
    }
}

fn started(bench: &Bench, told: &Told) -> Run {
    let profile = bench.profile("then=wait", &told.tables(bench));
    let text = fs::read_to_string(&profile).unwrap();
    let log = "path = \"serial.log\"";
    assert!(text.contains(log));
    let profile = bench.write("odd.toml", &text.replace(log, &format!("path = {}", quoted(SERIAL))));
    let mut run = bench.start(&[profile.to_str().unwrap()]);
    run.until("guest running");
    run
}

/// Name of the file that the serial port writes to.
const SERIAL: &str = "-serial, port=\"0\" é.log";

/// What QEMU answers to a command.
fn asked(bench: &Bench, command: &Value) -> Value {
    let output = bench.output(&["qmp", "guest", &command.to_string()]);
    assert!(output.status.success(), "{command}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn property(bench: &Bench, id: &str, name: &str) -> Value {
    let arguments = json!({"path": format!("/machine/peripheral/{id}"), "property": name});
    asked(bench, &json!({"execute": "qom-get", "arguments": arguments}))
}

/// `text` as the guest's report shows it.
fn reported(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[test]
fn qemu_has_every_text_as_the_profile_means_it() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let told = Told::new(&bench);
        let guest = started(&bench, &told);
        let nodes = asked(&bench, &json!({"execute": "query-named-block-nodes", "arguments": {"flat": true}}));
        let file_of = |i: usize| {
            let name = format!("disk{i}-file");
            let node = nodes.as_array().unwrap().iter().find(|node| node["node-name"] == name.as_str());
            node.unwrap_or_else(|| panic!("no node {name} in {nodes}"))["file"].clone()
        };
        for (i, file) in told.files.iter().enumerate() {
            assert_eq!(file_of(i), file.to_str().unwrap(), "QEMU {}", qemu.version);
            assert_eq!(property(&bench, &format!("drive{i}"), "serial"), told.serials[i].as_str());
        }
        assert_eq!(property(&bench, "share0", "mount_tag"), told.tag.as_str());
        let log = bench.path(SERIAL);
        while !fs::read_to_string(&log).unwrap_or_default().contains("waiting") {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let report = fs::read_to_string(&log).unwrap();
        let (manufacturer, product) = (reported(&told.manufacturer), reported(&told.product));
        let smbios = format!("smbios manufacturer=\"{manufacturer}\" product=\"{product}\" ");
        assert!(report.contains(&smbios), "wanted {smbios} in\n{report}");
        assert!(bench.output(&["stop", "guest"]).status.success());
        assert_eq!(guest.end().code, Some(0));
    }
}
