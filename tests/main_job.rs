//! The main job, whole: a Debian guest through OVMF from a virtio disk with an iothread, on huge pages, with real Samba
//! and a real Barrier beside it, pinned, supervised, ended. Real QEMU, both versions.

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::barrier::Barrier;
use support::linux_guest::{self, Report, Then};
use support::samba::{SHARE, Samba};
use support::setup::{Qemu, qemus};
use support::vmrun::Bench;

/// Huge pages of 2 MiB that the guest's memory takes.
const PAGES: u64 = 192;

fn profile(qemu: &Qemu, samba: &Samba, barrier: &Barrier, image: &str) -> String {
    format!(
        r#"
        schema = 1
        name = "debian"

        [machine]
        accel = "tcg"

        [cpu]
        model = "max"
        # TCG translates these slowly.
        flags = ["-la57", "-avx", "-avx2", "-xsave", "-erms", "-fsrm"]
        cores = 2

        [cpu.pinning]
        vcpus = [0, 1]
        emulator = 0
        iothreads = 1

        [memory]
        size = "{size}M"
        hugepages = "2M"

        [firmware]

        [[disk]]
        file = {image:?}
        format = "raw"
        readonly = true
        iothread = true
        serial = "vmrun-root"
        boot_index = 1

        [[serial]]
        to = "file"
        path = "serial.log"

        [[hook]]
        at = "started"
        name = "masks"
        run = ["sh", "-c", "cat /proc/$VMRUN_PID/task/*/status > masks"]

        [[service]]
        name = "samba"
        run = {samba:?}
        ready = "notify"

        [[service]]
        name = "barrier"
        run = {barrier:?}
        start = "after"
        delay = "1s"

        [stop]
        timeout = "5m"

        [qemu]
        binary = {qemu:?}
        "#,
        size = PAGES * 2,
        samba = samba.argv(),
        barrier = barrier.argv(),
        qemu = qemu.binary.display().to_string(),
    )
}

fn pool() -> u64 {
    let path = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";
    fs::read_to_string(path).expect("a pool of huge pages").trim().parse().expect("a number")
}

/// The first process whose command line holds `words`.
fn process(words: &str) -> Option<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok()?.parse::<u32>().ok());
    pids.into_iter().find(|pid| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(words))
    })
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}: not within five minutes");
}

fn the_main_job(qemu: &Qemu) {
    let bench = Bench::new(&qemu.binary);
    let (samba, barrier) = (Samba::prepare(), Barrier::prepare());
    let image = linux_guest::image(Then::WaitForPowerButton);
    let file = bench.write("debian.toml", &profile(qemu, &samba, &barrier, &image.display().to_string()));
    let pages_before = pool();

    let mut run = bench.start(&[file.to_str().expect("UTF-8")]);
    run.until("guest running");
    assert!(pool() >= PAGES, "{} huge pages", pool());
    until("the guest's report", || bench.serial().contains("linux-guest: ready"));

    let shares = samba.shares().expect("smbd answers while the guest runs");
    assert!(shares.contains(SHARE), "{shares}");
    until("barrier greets", || barrier.greets());

    let first = process(&format!("127.0.0.1:{}", barrier.port())).expect("barriers runs");
    assert!(Command::new("kill").args(["-9", &first.to_string()]).status().expect("kill").success());
    let line = run.until("barrier");
    until("barrier greets again", || barrier.greets());
    let second = process(&format!("127.0.0.1:{}", barrier.port())).expect("barriers runs again");
    assert_ne!(first, second, "{line}");

    assert_masks(&fs::read_to_string(bench.path("masks")).expect("the hook's look at the threads"));
    let stop = bench.output(&["stop", "debian"]);
    assert!(stop.status.success(), "{stop:?}");
    let ended = run.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text());

    assert_report(&Report::parse(&bench.serial()));
    assert_eq!(pool(), pages_before, "huge pages are given back");
    assert!(samba.shares().is_err(), "smbd was ended with the guest");
    assert!(!barrier.greets(), "barriers was ended with the guest");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

/// What the kernel said of QEMU's threads before the guest's first instruction.
fn assert_masks(status: &str) {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)).expect("a status");
        line.trim().to_owned()
    };
    let threads: Vec<_> = status
        .split("Name:")
        .skip(1)
        .map(|block| (block.lines().next().unwrap_or_default().trim().to_owned(), value(block, "Cpus_allowed_list:")))
        .collect();
    let place = |name: &str| match name {
        name if name.starts_with("CPU 1/") || name.starts_with("IO io0") => "1",
        _ => "0",
    };
    assert!(threads.iter().any(|(name, _)| name.starts_with("CPU 1/")), "{threads:?}");
    assert!(threads.iter().any(|(name, _)| name.starts_with("IO io0")), "{threads:?}");
    // It touched the guest's pages on both host CPUs, by threads of its own that are gone.
    assert!(threads.iter().any(|(name, _)| name == "TC tc0"), "{threads:?}");
    for (name, cpus) in &threads {
        assert_eq!(cpus, place(name), "{name} of {threads:?}");
    }
}

fn assert_report(report: &Report) {
    assert_eq!(report.one("efi"), "yes");
    assert_eq!(report.one("cpus"), "2");
    let disks = report.all("disk");
    assert!(disks.len() == 1 && disks[0].contains("vmrun-root"), "{disks:?}");
    let kib: u64 = report.one("memtotal_kib").parse().expect("a number");
    assert!((256 << 10..(PAGES * 2) << 10).contains(&kib), "{kib} KiB");
    assert_eq!(report.one("power_button"), "pressed");
}

#[test]
fn a_debian_guest_lives_its_life_on_both_versions_of_qemu() {
    for qemu in qemus() {
        the_main_job(&qemu);
    }
}
