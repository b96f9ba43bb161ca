//! The Linux guest of the other tests boots through UEFI on each QEMU and tells the truth about its machine.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use support::companion::Running;
use support::linux_guest::{self, Report, Then};
use support::setup::{self, Qemu};

/// Serial port on standard output, QMP on a socket in `dir`, pflash from a copy in `dir`, two vCPUs, 384 MiB.
fn command(qemu: &Qemu, image: &Path, dir: &Path) -> Command {
    let vars = dir.join("vars.fd");
    fs::copy(setup::path("VMRUN_TEST_OVMF_VARS"), &vars).expect("the variable store");
    let code = setup::path("VMRUN_TEST_OVMF_CODE");
    let pflash =
        |unit: u8, rest: &str, file: &Path| format!("if=pflash,format=raw,unit={unit}{rest},file={}", file.display());

    // `timeout` only so that a guest that hangs fails the test instead of stopping all of them.
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--signal=KILL", "600"]).arg(&qemu.binary);
    command.args("-machine q35,accel=tcg -smp 2 -m 384 -nodefaults -display none -no-reboot -serial stdio".split(' '));
    // TCG: the wider vector registers, five-level page tables and `rep movsb` cost more than they save.
    command.args(["-cpu", "max,-la57,-avx,-avx2,-xsave,-erms,-fsrm"]);
    command.args(["-drive", &pflash(0, ",readonly=on", &code), "-drive", &pflash(1, "", &vars)]);
    command.args(["-uuid", "5c2bbc5e-1d8a-4b51-9d5b-6b0a3cdd7a11", "-object", "iothread,id=io0"]);
    command.args(["-drive", &format!("if=none,id=root,format=raw,readonly=on,file={}", image.display())]);
    command.args(["-device", "virtio-blk-pci,drive=root,iothread=io0,serial=vmrun-root,bootindex=1"]);
    command.args(["-qmp", &format!("unix:{},server=on,wait=off", dir.join("qmp").display())]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Boots `image`, calls `at_ready` with the folder of the sockets once the guest has reported, and waits for the end.
fn report(qemu: &Qemu, then: Then, at_ready: fn(&Path)) -> Report {
    let dir = tempfile::tempdir().expect("a folder");
    let image = linux_guest::image(then);
    let mut running = Running::start(&mut command(qemu, &image, dir.path()));
    let mut serial = String::new();
    let mut lines = BufReader::new(running.0.stdout.take().expect("a pipe"));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).expect("the serial port") > 0 {
        let text = String::from_utf8_lossy(&line).into_owned();
        line.clear();
        serial.push_str(&text);
        if linux_guest::fact(&text).is_some_and(|(key, _)| key == "ready") {
            at_ready(dir.path());
        }
    }
    let status = running.0.wait().expect("QEMU ends");
    assert!(status.success(), "QEMU {}: {status}\n{serial}", qemu.version);
    Report::parse(&serial)
}

fn press_power_button(dir: &Path) {
    let mut qmp = UnixStream::connect(dir.join("qmp")).expect("QMP");
    let replies = BufReader::new(qmp.try_clone().expect("a second handle"));
    qmp.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"system_powerdown\"}\n").expect("QMP listens");
    // Greeting and two replies; a monitor that is closed earlier drops the commands.
    let replies: Vec<String> = replies.lines().take(3).map_while(Result::ok).collect();
    assert!(!replies.iter().any(|reply| reply.contains("\"error\"")), "{replies:?}");
}

fn assert_true_report(report: &Report) {
    assert_eq!(report.one("efi"), "yes");
    assert_eq!(report.one("cpus"), "2");
    let memtotal_kib: u64 = report.one("memtotal_kib").parse().expect("a number");
    // What the kernel keeps for itself is missing from the 384 MiB.
    assert!((256 << 10..384 << 10).contains(&memtotal_kib), "{memtotal_kib}");
    assert!(report.one("product_name").contains("Q35"), "{report:?}");
    assert_eq!(report.one("product_uuid"), "5c2bbc5e-1d8a-4b51-9d5b-6b0a3cdd7a11");
    let disks = report.all("disk");
    assert!(disks.len() == 1 && disks[0].contains("serial vmrun-root queues 2"), "{disks:?}");
    // Intel's Q35 host bridge.
    assert!(report.all("pci").contains(&"0000:00:00.0 8086:29c0 class 060000"), "{report:?}");
}

fn waits_for_the_power_button(qemu: &Qemu) {
    let report = report(qemu, Then::WaitForPowerButton, press_power_button);
    assert_true_report(&report);
    assert_eq!(report.one("power_button"), "pressed");
}

#[test]
fn on_qemu_7_2_the_guest_reports_and_obeys_the_power_button() {
    let [qemu, _] = setup::qemus();
    waits_for_the_power_button(&qemu);
}

#[test]
fn on_qemu_10_0_the_guest_reports_and_obeys_the_power_button() {
    let [_, qemu] = setup::qemus();
    waits_for_the_power_button(&qemu);
}

#[test]
fn the_guest_powers_off_by_itself_when_told_so() {
    let [_, qemu] = setup::qemus();
    let report = report(&qemu, Then::PowerOff, |_| ());
    assert_true_report(&report);
    assert!(report.all("power_button").is_empty());
}

#[test]
fn the_two_qemus_have_the_versions_they_are_named_by() {
    for qemu in setup::qemus() {
        let said = setup::run(Command::new(&qemu.binary).arg("--version"));
        assert!(said.contains(&format!("version {}.", qemu.version)), "{said}");
    }
}
