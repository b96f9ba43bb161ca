//! A disk on every bus, drives with a disc and without, and folders shared both ways: Linux, booted by UEFI from a disk
//! of the profile, says what it finds there.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use support::companion::Running;
use support::linux_guest::{self, Report};
use support::setup::{self, Qemu};
use support::vmrun::Bench;

const MIB: u64 = 1 << 20;

/// The disks it waits for: vda, nvme0n1, sda, sdb, sdc, sr0, sr1.
const WORDS: &str = "disks=7 mount=virtiofs:games mount=9p:files";

const TABLES: &str = r#"
[[disk]]
file = "system.img"
format = "raw"
readonly = true
serial = "SYSTEM"
queues = 2
iothread = true
boot_index = 1

[[disk]]
file = "fast.img"
format = "raw"
bus = "nvme"
serial = "NV-7"
queues = 2

[[disk]]
file = "data.qcow2"
format = "qcow2"
bus = "scsi"
wwn = "0x5000c500a1b2c3d4"
rotation_rate = 1
logical_block_size = 4096
iothread = true
discard = true
detect_zeroes = "unmap"
throttle = { iops_total = 5000, iops_total_max = 9000, bps_read = "200M", bps_write = "100M" }

[[disk]]
file = "old.img"
format = "raw"
bus = "sata"
wwn = "5000c500a1b2c3d5"
rotation_rate = 7200
physical_block_size = 4096

[[disk]]
file = "stick.img"
format = "raw"
bus = "usb"
readonly = true

[[disk]]
file = "disc.iso"
cdrom = true

[[disk]]
cdrom = true
bus = "usb"

[[share]]
source = "games"
tag = "games"

[[share]]
kind = "9p"
source = "my,files"
tag = "files"
"#;

fn bench(qemu: &Qemu) -> Bench {
    let bench = Bench::new(&qemu.binary);
    symlink(linux_guest::storage_image(WORDS), bench.path("system.img")).expect("the guest's system");
    for (name, size) in [("fast.img", 8), ("old.img", 16), ("stick.img", 4)] {
        let file = fs::File::create(bench.path(name)).expect("an image");
        file.set_len(size * MIB).expect("its size");
    }
    let mut create = Command::new("qemu-img");
    setup::run(create.args(["create", "-q", "-f", "qcow2"]).arg(bench.path("data.qcow2")).arg("32M"));
    fs::write(bench.path("disc.iso"), "a disc in the drive\n".repeat(50_000)).expect("a disc");
    for folder in ["games", "my,files"] {
        fs::create_dir(bench.path(folder)).expect("a folder to share");
        fs::write(bench.path(folder).join("from-host"), format!("lies in {folder}\n")).expect("a file to read");
    }
    bench
}

fn profile(qemu: &Qemu) -> String {
    let (code, vars) = (setup::path("VMRUN_TEST_OVMF_CODE"), setup::path("VMRUN_TEST_OVMF_VARS"));
    format!(
        "schema = 1\nname = \"guest\"\n[machine]\naccel = \"tcg\"\n[memory]\nsize = \"512M\"\n[cpu]\nmodel = \"max\"\n\
         cores = 2\nflags = [\"-la57\", \"-avx\", \"-avx2\", \"-xsave\", \"-erms\", \"-fsrm\"]\n\
         [firmware]\ncode = \"{}\"\nvars = \"{}\"\n[[serial]]\nto = \"file\"\npath = \"serial.log\"\n\
         [qemu]\nbinary = \"{}\"\n{TABLES}",
        code.display(),
        vars.display(),
        qemu.binary.display()
    )
}

fn assert_all_is_there(qemu: &Qemu) {
    let bench = bench(qemu);
    let profile = bench.write("guest.toml", &profile(qemu));
    let ended = bench.run(&["run", &profile.display().to_string()]);
    let serial = bench.serial();
    assert_eq!(ended.code, Some(0), "{}\n{serial}", ended.text());
    let report = Report::parse(&serial);
    assert_disks(&report);
    assert_shares(&report, &bench);
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
}

fn assert_disks(report: &Report) {
    assert_eq!(report.one("efi"), "yes");
    let (disks, blocks) = (report.all("disk"), report.all("block"));
    let has = |lines: &[&str], wanted: &str| {
        assert!(lines.iter().any(|line| line.starts_with(wanted)), "{wanted}: {report:?}");
    };
    assert!(disks.iter().any(|disk| disk.starts_with("vda") && disk.ends_with("serial SYSTEM queues 2")), "{report:?}");
    has(&disks, "nvme0n1 16384 sectors");
    has(&blocks, "nvme0n1 id NV-7");
    // 32 MiB in 4 KiB blocks, an SSD; 16 MiB in sectors on 4 KiB blocks, one that turns.
    assert!(
        blocks.iter().any(|block| block.ends_with("id naa.5000c500a1b2c3d4 turns 0 blocks 4096 4096 ro 0")),
        "{report:?}"
    );
    assert!(
        blocks.iter().any(|block| block.ends_with("id naa.5000c500a1b2c3d5 turns 1 blocks 512 4096 ro 0")),
        "{report:?}"
    );
    assert!(blocks.iter().any(|block| block.starts_with("sd") && block.ends_with("ro 1")), "{report:?}");
    let drives = report.all("disc");
    assert_eq!(drives.len(), 2, "{report:?}");
    assert!(drives.iter().any(|disc| disc.ends_with(" a disc in the drive")), "{report:?}");
    assert!(drives.iter().any(|disc| disc.ends_with(" none")), "{report:?}");
}

fn assert_shares(report: &Report, bench: &Bench) {
    assert_eq!(report.all("share"), ["games lies in games", "files lies in my,files"]);
    assert_eq!(report.all("wrote"), ["games", "files"]);
    let written = |folder: &str| fs::read_to_string(bench.path(folder).join("from-guest")).expect("the guest's file");
    assert_eq!(written("games"), "written by virtiofs\n");
    assert_eq!(written("my,files"), "written by 9p\n");
}

#[test]
fn on_qemu_7_2_linux_finds_every_disk_and_share() {
    let [qemu, _] = setup::qemus();
    assert_all_is_there(&qemu);
}

#[test]
fn on_qemu_10_0_linux_finds_every_disk_and_share() {
    let [_, qemu] = setup::qemus();
    assert_all_is_there(&qemu);
}

#[test]
fn an_image_that_another_qemu_writes_to_is_refused_before_anything_starts() {
    let [_, qemu] = setup::qemus();
    let bench = Bench::new(&qemu.binary);
    fs::write(bench.path("a.img"), [0; 512]).expect("an image");
    let node = format!("driver=file,node-name=a,filename={}", bench.path("a.img").display());
    let mut other = Command::new(&qemu.binary);
    other.args(["-machine", "q35,accel=tcg", "-S", "-nodefaults", "-display", "none", "-monitor", "stdio"]);
    other.args(["-blockdev", &node, "-device", "virtio-blk-pci,drive=a"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = Running::start(&mut other);
    // It answers when its devices are there, and their locks taken.
    other.0.stdin.as_mut().expect("a pipe").write_all(b"info status\n").expect("it listens");
    let mut said = BufReader::new(other.0.stdout.as_mut().expect("a pipe")).lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains("VM status")), "QEMU ended");
    let profile = bench.profile("then=poweroff", "[[disk]]\nfile = \"a.img\"\nformat = \"raw\"\n");
    let ended = bench.run(&["check", &profile.display().to_string()]);
    assert!(ended.text().contains("another process writes to"), "{:?} {}", ended.code, ended.text());
}
