//! A guest with a TPM behind a real swtpm, with NUMA nodes, and with a log of its firmware; QEMU of both versions.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::setup::{Qemu, qemus};
use support::vmrun::Bench;

/// A small guest with a TPM and two NUMA nodes, the first on host node 0 with all its pages touched there.
fn profile(qemu: &Qemu, then: &str) -> String {
    format!(
        r#"
        schema = 1
        name = "sealed"

        [machine]
        accel = "tcg"

        [cpu]
        model = "max"
        cores = 2

        [memory]
        prealloc = true
        prealloc_threads = 2

        [[numa]]
        cpus = 0
        size = "32M"
        host_node = 0
        distances = [10, 21]

        [[numa]]
        cpus = 1
        size = "64M"

        [tpm]

        [firmware]
        kind = "bios"
        debug_log = "firmware.log"

        [kernel]
        image = "guest.elf"
        append = "then={then}"

        [[serial]]
        to = "file"
        path = "serial.log"

        [qemu]
        binary = {:?}
        "#,
        qemu.binary.display().to_string(),
    )
}

/// Process id of the swtpm that names a file of `bench`.
fn swtpm(bench: &Bench) -> Option<u32> {
    let needle = bench.path("runtime/sealed/tpm.sock").display().to_string();
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().into_string().ok()?.parse::<u32>().ok());
    pids.find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"/usr/bin/swtpm\0") && String::from_utf8_lossy(&line).contains(&needle)
    })
}

fn a_guest_sees_its_tpm(qemu: &Qemu) {
    let bench = Bench::new(&qemu.binary);
    let file = bench.write("sealed.toml", &profile(qemu, "poweroff"));
    let ended = bench.run(&[file.to_str().expect("UTF-8")]);
    assert_eq!(ended.code, Some(0), "QEMU {}: {}", qemu.version, ended.text());

    let serial = bench.serial();
    let tables = serial.lines().find_map(|line| line.split_once("acpi tables=")).expect("the guest's ACPI tables").1;
    for table in ["TPM2", "SRAT", "SLIT"] {
        assert!(tables.trim().split(',').any(|there| there == table), "no {table} in {tables}");
    }
    let log = fs::read_to_string(bench.path("firmware.log")).expect("the firmware's log");
    assert!(log.contains("SeaBIOS"), "{log}");

    let state = bench.path("state/sealed_TPM");
    assert_eq!(fs::metadata(&state).expect("the TPM's state").permissions().mode() & 0o777, 0o700);
    assert!(state.join("tpm2-00.permall").exists(), "what the TPM keeps");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_guest_sees_its_tpm_and_its_nodes_and_nothing_is_left_but_the_state() {
    for qemu in qemus() {
        a_guest_sees_its_tpm(&qemu);
    }
}

#[test]
fn a_guest_whose_tpm_dies_is_ended() {
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    let file = bench.write("sealed.toml", &profile(&qemu, "wait"));
    let mut run = bench.start(&[file.to_str().expect("UTF-8")]);
    run.until("guest running");
    let tpm = swtpm(&bench).expect("swtpm runs beside the guest");
    signal("KILL", &tpm.to_string());
    run.until("power button");
    // The button may come before the guest listens, or end it at once and close the socket on who forces it off.
    // Forced or not, the lost companion is the reason.
    bench.output(&["stop", "--force", "sealed"]);
    let ended = run.end();
    assert_eq!(ended.code, Some(21), "{}", ended.text());
    assert!(ended.text().contains("swtpm"), "{}", ended.text());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn row_056_an_swtpm_that_nobody_ended_is_ended_by_recover_and_the_next_start_is_as_the_first() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let file = bench.write("sealed.toml", &profile(&qemu, "wait"));
        let mut run = bench.start(&[file.to_str().expect("UTF-8")]);
        run.until("guest running");
        let status = bench.output(&["status", "sealed", "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
        let pid = status["vmrun"]["qemu"].to_string();
        let tpm = swtpm(&bench).expect("swtpm runs beside the guest");
        // Stopped, it does not see QEMU go, after which it would end by itself.
        signal("STOP", &tpm.to_string());
        run.signal("KILL");
        run.end();
        signal("KILL", &pid);
        let recovered = loop {
            let recovered = bench.run(&["recover", "sealed"]);
            if recovered.code != Some(14) {
                break recovered;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        assert_eq!(recovered.code, Some(0), "{}", recovered.text());
        assert_eq!(bench.leftovers(), Vec::<String>::new());
        let file = bench.write("sealed.toml", &profile(&qemu, "poweroff"));
        let ended = bench.run(&[file.to_str().expect("UTF-8")]);
        assert_eq!(ended.code, Some(0), "{}", ended.text());
    }
}

fn signal(name: &str, pid: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), pid]).status();
    assert!(sent.expect("kill").success());
}
