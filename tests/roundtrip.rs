//! A guest that goes out by one door and comes in by the other is the same guest: by libvirt's XML, and by its own command
//! line, over generated profiles.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "golden/cases.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod cases;
#[path = "roundtrip/domains.rs"]
mod domains;
#[path = "roundtrip/doors.rs"]
mod doors;
#[path = "roundtrip/every_key.rs"]
mod every_key;
#[path = "roundtrip/facts.rs"]
mod facts;
#[path = "roundtrip/known.rs"]
mod known;
#[path = "golden/scene.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod scene;
#[path = "roundtrip/shipped.rs"]
mod shipped;
#[path = "roundtrip/silence.rs"]
mod silence;
mod support;
#[path = "golden/text.rs"]
mod text;
#[path = "roundtrip/unread.rs"]
mod unread;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use support::setup::qemus;
use support::vmrun::Bench;

/// A line of a table, or none.
fn maybe(line: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), line]
}

fn one_of(key: &'static str, words: &'static [&'static str]) -> impl Strategy<Value = String> {
    maybe(prop::sample::select(words).prop_map(move |word| format!("{key} = {word}\n")))
}

fn machine() -> impl Strategy<Value = String> {
    let kind = prop_oneof![Just("type = \"q35\"\n"), Just("type = \"pc\"\n"), Just("")];
    let switches = (one_of("hpet", &["true", "false"]), one_of("vmport", &["true", "false"]), one_of("smm", &["true"]));
    (kind, switches)
        .prop_map(|(kind, (hpet, vmport, smm))| format!("[machine]\naccel = \"tcg\"\n{kind}{hpet}{vmport}{smm}"))
}

fn cpu() -> impl Strategy<Value = String> {
    // Named ones: what `host` and `max` hide is told in other words than it was given.
    let models = ["\"qemu64\"", "\"Skylake-Server\"", "\"EPYC\""];
    let model = prop::sample::select(models.to_vec()).prop_map(|model| format!("model = {model}\n"));
    let flags = one_of("flags", &["[\"+ssse3\"]", "[\"-avx2\", \"+aes\"]"]);
    let pins = maybe(Just("[cpu.pinning]\nemulator = \"0\"\n".to_owned()));
    (model, 1..3_u32, 1..3_u32, 1..3_u32, flags, pins).prop_map(|(model, sockets, cores, threads, flags, pins)| {
        format!("[cpu]\n{model}sockets = {sockets}\ncores = {cores}\nthreads = {threads}\n{flags}{pins}")
    })
}

fn memory() -> impl Strategy<Value = String> {
    let rest = (one_of("share", &["true"]), one_of("prealloc", &["true"]), one_of("balloon", &["true"]));
    (64..128_u32, rest).prop_map(|(size, (share, prealloc, balloon))| {
        format!("[memory]\nsize = \"{size}M\"\n{share}{prealloc}{balloon}")
    })
}

fn clock() -> impl Strategy<Value = String> {
    // A domain always says on which time its clock is.
    (prop::sample::select(vec!["utc", "localtime"]), one_of("driftfix", &["\"slew\""]))
        .prop_map(|(base, driftfix)| format!("[clock]\nbase = \"{base}\"\n{driftfix}"))
}

fn disk() -> impl Strategy<Value = String> {
    let bus = one_of("bus", &["\"virtio\"", "\"sata\"", "\"scsi\"", "\"usb\""]);
    let cache = one_of("cache", &["\"none\"", "\"writeback\"", "\"writethrough\"", "\"unsafe\""]);
    let rest =
        (one_of("discard", &["true"]), one_of("serial", &["\"a-1\"", "\"Z_9.x\""]), one_of("readonly", &["true"]));
    let limits = one_of("throttle", &["{ iops_total = 500 }", "{ bps_read = \"1M\", iops_write = 7 }"]);
    (bus, cache, rest, limits).prop_map(|(bus, cache, (discard, serial, readonly), limits)| {
        // SATA has no place for a disk that cannot be written.
        let readonly = if bus.contains("sata") { String::new() } else { readonly };
        format!("[[disk]]\nfile = \"DISK\"\nformat = \"raw\"\naio = \"threads\"\n{bus}{cache}{discard}{serial}{readonly}{limits}")
    })
}

fn net() -> impl Strategy<Value = String> {
    let model = one_of("model", &["\"virtio\"", "\"e1000e\"", "\"rtl8139\""]);
    (model, any::<u16>(), one_of("link", &["\"down\""])).prop_map(|(model, mac, link)| {
        let [high, low] = mac.to_be_bytes();
        format!("[[net]]\nmode = \"user\"\nmac = \"52:54:00:00:{high:02x}:{low:02x}\"\n{model}{link}")
    })
}

fn rest() -> impl Strategy<Value = String> {
    let tables = [
        "[usb_controller]\n",
        "[usb_controller]\n[[input]]\nkind = \"usb-tablet\"\n",
        "[rng]\n",
        "[watchdog]\nmodel = \"i6300esb\"\naction = \"poweroff\"\n",
        "[vmgenid]\nguid = \"12345678-9abc-4def-8123-456789abcdef\"\n",
        "[display]\nkind = \"vnc\"\nvideo = \"std\"\n",
        "[audio]\ndriver = \"none\"\nmodel = \"ac97\"\n",
        "[smbios.system]\nmanufacturer = \"A & <B>\"\nserial = \"it's\"\n",
        "[[fw_cfg]]\nname = \"opt/org.example/x\"\nstring = \"y\"\n",
        "[[fw_cfg]]\nname = \"etc/igd-opregion\"\nstring = \"a,b\"\n",
        "[on]\nreboot = \"exit\"\n",
    ];
    prop::sample::subsequence(tables.to_vec(), 0..tables.len()).prop_map(|tables| {
        // The controller is there once.
        let twice = tables.iter().filter(|table| table.starts_with("[usb_controller]")).count() > 1;
        tables.into_iter().skip(usize::from(twice)).collect()
    })
}

fn profile() -> impl Strategy<Value = String> {
    let machine = (machine(), cpu(), memory(), clock());
    (machine, vec(disk(), 0..3), vec(net(), 0..2), rest()).prop_map(
        |((machine, cpu, memory, clock), disks, nets, rest)| {
            format!(
                "schema = 1\nname = \"guest\"\n{machine}{cpu}{memory}{clock}{}{}{rest}",
                disks.concat(),
                nets.concat()
            )
        },
    )
}

/// Writes the profile, each disk with a file of its own.
fn write(bench: &Bench, qemu: &Path, text: &str) -> std::path::PathBuf {
    let mut whole = String::new();
    for (index, part) in text.split("DISK").enumerate() {
        if index > 0 {
            fs::write(bench.path(&format!("{index}.raw")), vec![0; 1 << 20]).unwrap();
            _ = write!(whole, "{index}.raw");
        }
        whole.push_str(part);
    }
    bench.write("first.toml", &format!("{whole}[qemu]\nbinary = \"{}\"\n", qemu.display()))
}

/// QEMU's arguments by `profile`, one a line; `None` when it is refused.
fn argv(bench: &Bench, profile: &Path) -> Option<String> {
    let output = bench.output(&["plan", profile.to_str().unwrap(), "--argv", "--lines"]);
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The profile that comes back from `file`.
fn back(bench: &Bench, file: &Path) -> std::path::PathBuf {
    let second = bench.path("second.toml");
    let output = bench.output(&["import", file.to_str().unwrap(), "-o", second.to_str().unwrap(), "--force"]);
    assert!(matches!(output.status.code(), Some(0 | 9)), "{}", String::from_utf8_lossy(&output.stderr));
    second
}

fn same(bench: &Bench, text: &str, first: &str, second: &Path, between: &Path) {
    let came = argv(bench, second);
    let imported = fs::read_to_string(second).unwrap();
    let between = fs::read_to_string(between).unwrap();
    assert_eq!(came.as_deref(), Some(first), "\n{text}\n=====\n{between}\n=====\n{imported}");
}

/// Runs `check` over generated profiles that this host accepts, and sees that most are.
fn over_profiles(check: impl Fn(&Bench, &str, &Path, &str)) {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    let accepted = std::cell::Cell::new(0);
    let config = Config { cases: 16, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&profile(), |text| {
        let first = write(&bench, &qemu.binary, &text);
        if let Some(argv) = argv(&bench, &first) {
            accepted.set(accepted.get() + 1);
            check(&bench, &text, &first, &argv);
        }
        Ok(())
    });
    run.unwrap();
    assert!(accepted.get() > 8, "{} of 16 profiles can be planned", accepted.get());
}

#[test]
fn a_profile_comes_back_from_libvirts_xml() {
    over_profiles(|bench, text, first, argv| {
        let domain = bench.path("guest.xml");
        let words = ["export", first.to_str().unwrap(), "--to", "libvirt", "-o", domain.to_str().unwrap(), "--force"];
        let output = bench.output(&words);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        same(bench, text, argv, &back(bench, &domain), &domain);
    });
}

#[test]
fn a_profile_comes_back_from_its_own_command_line() {
    over_profiles(|bench, text, _, argv| {
        // It does not tell where QEMU's threads run, by which those are placed that touch the pages.
        if argv.contains("cpu-affinity") {
            return;
        }
        let script = bench.write("guest.sh", argv);
        same(bench, text, argv, &back(bench, &script), &script);
    });
}
