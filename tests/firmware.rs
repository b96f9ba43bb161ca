//! Firmware in qcow2 images: a Debian guest boots through it, and the guest's own store keeps the format.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use support::linux_guest::{self, Report, Then};
use support::setup::{self, qemus};
use support::vmrun::Bench;

fn convert(raw: &Path, qcow2: &Path) {
    setup::run(Command::new("qemu-img").args(["convert", "-f", "raw", "-O", "qcow2"]).arg(raw).arg(qcow2));
}

#[test]
fn a_debian_guest_boots_through_firmware_in_qcow2_images() {
    let [qemu, _] = qemus();
    let bench = Bench::new(&qemu.binary);
    convert(&setup::path("VMRUN_TEST_OVMF_CODE"), &bench.path("CODE.qcow2"));
    convert(&setup::path("VMRUN_TEST_OVMF_VARS"), &bench.path("VARS.qcow2"));
    let template = fs::read(bench.path("VARS.qcow2")).expect("the template");
    let image = linux_guest::image(Then::PowerOff).display().to_string();
    let text = format!(
        r#"
        schema = 1
        name = "debian"

        [machine]
        accel = "tcg"

        [cpu]
        model = "max"
        # TCG translates these slowly.
        flags = ["-la57", "-avx", "-avx2", "-xsave", "-erms", "-fsrm"]

        [memory]
        size = "384M"
        hugepages = "thp"

        [firmware]
        code = "CODE.qcow2"
        vars = "VARS.qcow2"
        format = "qcow2"

        [[disk]]
        file = {image:?}
        format = "raw"
        readonly = true
        serial = "vmrun-root"
        boot_index = 1

        [[serial]]
        to = "file"
        path = "serial.log"

        [qemu]
        binary = {:?}
        "#,
        qemu.binary.display().to_string(),
    );
    let file = bench.write("debian.toml", &text);
    let ended = bench.run(&[file.to_str().expect("UTF-8")]);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert_eq!(Report::parse(&bench.serial()).one("efi"), "yes");

    let own = fs::read(bench.path("state/debian_VARS.qcow2")).expect("the guest's own store");
    assert!(own.starts_with(b"QFI\xfb"), "it is a qcow2 image");
    assert_ne!(own, template, "the firmware wrote its boot entries");
    assert_eq!(fs::read(bench.path("VARS.qcow2")).expect("the template"), template, "the template is untouched");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
    replaced_firmware_is_told(&bench, &file);
}

/// After a run that ended well: firmware of another time is told when it is another one, as then its variable store may not
/// fit any more.
fn replaced_firmware_is_told(bench: &Bench, profile: &Path) {
    let check = || bench.run(&["check", profile.to_str().expect("UTF-8")]).text();
    assert!(!check().contains("replaced"), "{}", check());
    let code = fs::File::options().append(true).open(bench.path("CODE.qcow2")).expect("the code");
    code.set_modified(SystemTime::UNIX_EPOCH).expect("a file of one's own");
    assert!(!check().contains("was replaced"), "the package was installed anew: {}", check());
    (&code).write_all(&[0; 512]).expect("room");
    assert!(check().contains("CODE.qcow2 was replaced since the guest last worked"), "{}", check());
}

#[test]
fn a_debian_guest_boots_from_a_cd_rom_before_the_disk() {
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    linux_guest::cdrom(&bench.path("debian.iso"));
    fs::File::create(bench.path("empty.img")).and_then(|file| file.set_len(1 << 20)).expect("an empty disk");
    let (code, vars) = (setup::path("VMRUN_TEST_OVMF_CODE"), setup::path("VMRUN_TEST_OVMF_VARS"));
    let text = format!(
        r#"
        schema = 1
        name = "debian"

        [machine]
        accel = "tcg"

        [cpu]
        model = "max"
        # TCG translates these slowly.
        flags = ["-la57", "-avx", "-avx2", "-xsave", "-erms", "-fsrm"]

        [memory]
        size = "384M"

        [firmware]
        code = {code:?}
        vars = {vars:?}

        [[disk]]
        file = "empty.img"
        format = "raw"
        serial = "empty"
        boot_index = 2

        [[disk]]
        file = "debian.iso"
        cdrom = true
        boot_index = 1

        [[serial]]
        to = "file"
        path = "serial.log"

        [qemu]
        binary = {:?}
        "#,
        qemu.binary.display().to_string(),
    );
    let file = bench.write("debian.toml", &text);
    let ended = bench.run(&[file.to_str().expect("UTF-8")]);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    let report = Report::parse(&bench.serial());
    assert_eq!(report.one("efi"), "yes");
    let disks = report.all("disk");
    assert!(disks.len() == 1 && disks[0].contains("serial empty"), "it came from no disk: {disks:?}");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}
