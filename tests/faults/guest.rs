//! A guest that sleeps, powers off by another way, or writes to a disk that is full.

use crate::support::setup::{Qemu, qemus};
use crate::support::vmrun::Bench;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Waits until `done`; a test that breaks here is ended by its runner.
fn until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// QEMU's word for how the guest is.
fn condition(bench: &Bench) -> Value {
    let output = bench.output(&["status", "guest", "--json"]);
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["vmrun"]["guest"].take()
}

#[test]
fn row_038_a_guest_that_sleeps_is_told_and_woken() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let profile = bench.profile("then=sleep", "");
        let mut run = bench.start(&[profile.to_str().unwrap()]);
        let told = run.until("the guest sleeps");
        assert!(told.contains("vmrun wake guest"), "{told}");
        assert_eq!(condition(&bench), "suspended");
        let woken = bench.output(&["wake", "guest"]);
        assert!(woken.status.success(), "{woken:?}");
        until(|| condition(&bench) != "suspended");
        assert!(bench.output(&["stop", "--force", "guest"]).status.success());
        let ended = run.end();
        assert_eq!(ended.code, Some(35), "{}", ended.text());
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn row_043_a_guest_that_powers_off_by_pvpanic_ends_well() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let profile = bench.profile("then=shutdown", "");
        let ended = bench.run(&[profile.to_str().unwrap()]);
        assert_eq!(ended.code, Some(0), "QEMU {}: {}", qemu.version, ended.text());
        assert!(ended.text().contains("the guest powered off"), "{}", ended.text());
        // Version 7.2 does not know it, which the guest is told, and powers off by ACPI.
        let heard = !bench.serial().contains("shutdown=absent");
        assert_eq!(heard, qemu.version != "7.2", "{}", bench.serial());
    }
}

/// Writes one sector of the first disk, far from the first, and powers off.
const WRITER: &[u8] = &[
    0x31, 0xc0, 0x8e, 0xc0, // es = 0
    0xb8, 0x01, 0x03, // write a sector
    0xbb, 0x00, 0x7c, // from where this stands
    0xb9, 0x01, 0x01, // to the first of cylinder 1,
    0xba, 0x80, 0x00, // head 0, of the first disk
    0xcd, 0x13, // by the BIOS
    0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, // soft off, where SeaBIOS puts the port on q35
    0xf4, 0xeb, 0xfd,
];

/// Makes the file system at `$2` with the image, full to its last block, and runs `$1` there.
const FILL: &str = "mount -t tmpfs -o size=1m none \"$2\" && cp --sparse=always \"$3\" \"$2/disk.img\" &&
    { cat /dev/zero >\"$2/filler\" 2>/dev/null; exec \"$0\" run \"$1\"; }";

fn writer(qemu: &Qemu) -> (Bench, PathBuf) {
    let bench = Bench::new(&qemu.binary);
    let mut sector = WRITER.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    fs::write(bench.path("disk.img"), sector).unwrap();
    fs::File::options().write(true).open(bench.path("disk.img")).unwrap().set_len(16 << 20).unwrap();
    fs::create_dir(bench.path("full")).unwrap();
    let profile = format!(
        "schema = 1\nname = \"guest\"\n[machine]\naccel = \"tcg\"\n[memory]\nsize = \"64M\"\n[firmware]\nkind = \"bios\"\n\
         [[disk]]\nfile = \"full/disk.img\"\nformat = \"raw\"\nbus = \"sata\"\nboot_index = 1\n\
         [qemu]\nbinary = \"{}\"\n",
        qemu.binary.display()
    );
    let profile = bench.write("guest.toml", &profile);
    (bench, profile)
}

#[test]
fn row_041_a_guest_waits_while_the_disk_under_its_image_is_full_and_loses_nothing() {
    for qemu in qemus() {
        let (bench, profile) = writer(&qemu);
        let said = bench.path("said");
        let mut child = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", FILL, env!("CARGO_BIN_EXE_vmrun")])
            .args([&profile, &bench.path("full"), &bench.path("disk.img")])
            .env("VMRUN_RUNTIME_DIR", bench.path("runtime"))
            .env("VMRUN_STATE_DIR", bench.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let text = || fs::read_to_string(&said).unwrap();
        let mut ended = None;
        while !text().contains("no room for what the guest writes") && ended.is_none() {
            std::thread::sleep(Duration::from_millis(20));
            ended = child.try_wait().unwrap();
        }
        assert_eq!(ended, None, "{}", text());
        assert!(text().contains("vmrun resume guest"), "{}", text());
        until(|| condition(&bench) == "io-error");
        let inside = PathBuf::from(format!("/proc/{}/root", child.id()));
        fs::remove_file(inside.join(bench.path("full/filler").strip_prefix("/").unwrap())).unwrap();
        let resumed = bench.output(&["resume", "guest"]);
        assert!(resumed.status.success(), "{resumed:?}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{}", text());
        assert!(text().contains("the guest powered off"), "{}", text());
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn row_035_a_guest_that_reboots_again_and_again_is_told_once_and_goes_on() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let mut run = bench.start(&[bench.profile("then=crash", "").to_str().unwrap()]);
        let told = run.until("the guest reboots again and again");
        assert!(told.contains("vmrun stop --force guest"), "{told}");
        for _ in 0..3 {
            run.until("the guest reboots");
        }
        assert!(bench.output(&["stop", "--force", "guest"]).status.success());
        let ended = run.end();
        assert_eq!(ended.code, Some(35), "{}", ended.text());
        assert_eq!(ended.text().matches("again and again").count(), 1, "{}", ended.text());
        assert_eq!(bench.leftovers(), Vec::<String>::new());
    }
}
