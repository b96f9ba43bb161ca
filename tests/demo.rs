//! `vmrun demo PROFILE`: a machine with something of everything, and what a guest sees of it, fact by fact. Real QEMU,
//! both versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use support::setup::qemus;
use support::vmrun::Bench;

const UUID: &str = "12345678-9abc-4def-8123-456789abcdef";

const TABLES: &str = r#"
schema = 1
name = "guest"
uuid = "12345678-9abc-4def-8123-456789abcdef"

[machine]
accel = "tcg"

[cpu]
model = "Skylake-Server"
sockets = 2
dies = 2
threads = 2

[memory]
size = "192M"

[[numa]]
cpus = [0, 1, 2, 3]
size = "128M"

[[numa]]
cpus = [4, 5, 6, 7]
size = "64M"

[[disk]]
file = "a.raw"
format = "raw"

[[disk]]
file = "b.raw"
format = "raw"
bus = "nvme"

[[disk]]
file = "c.raw"
format = "raw"

[[net]]
mode = "user"
model = "e1000e"

[usb_controller]

[rng]

[watchdog]
model = "i6300esb"

[smbios.system]
manufacturer = "Example, Inc."
product = "Model = 7"

[[acpi_table]]
file = "table.aml"
"#;

/// Vendor and device of what `TABLES` puts behind root ports, without its disks, which `vmrun demo` leaves alone. QEMU:
/// `include/hw/pci/pci.h`, `pci_ids.h`.
const FUNCTIONS: [&str; 4] = [
    "1af4:1044", // virtio-rng
    "1b36:000d", // qemu-xhci
    "8086:10d3", // e1000e
    "8086:25ab", // i6300esb
];

/// An ACPI table with nothing in it: a header of 36 bytes; QEMU reckons the checksum.
fn table() -> Vec<u8> {
    let mut table = b"VMRT".to_vec();
    table.extend(36_u32.to_le_bytes());
    table.extend([1, 0]);
    table.extend(b"VMRUN TESTING ");
    table.extend([1, 0, 0, 0]);
    table.extend(b"VMRN");
    table.extend([1, 0, 0, 0]);
    assert_eq!(table.len(), 36);
    table
}

fn profile(bench: &Bench, qemu: &std::path::Path, tables: &str) -> PathBuf {
    for disk in ["a.raw", "b.raw", "c.raw", "new.raw"] {
        fs::write(bench.path(disk), vec![0; 1 << 20]).unwrap();
    }
    fs::write(bench.path("table.aml"), table()).unwrap();
    bench.write("rich.toml", &format!("{tables}\n[qemu]\nbinary = \"{}\"\n", qemu.display()))
}

/// The report of the guest on the profile, whose run ends well.
fn report(bench: &Bench, profile: &std::path::Path) -> Vec<String> {
    let output = bench.output(&["demo", profile.to_str().unwrap(), "--report"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}\n{}", output.status, String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Value of `key` in the first line of the report about `subject` that has it.
fn value<'a>(report: &'a [String], subject: &str, key: &str) -> &'a str {
    let about = report.iter().filter_map(|line| line.strip_prefix(subject)?.strip_prefix(' '));
    let key = format!("{key}=");
    let found = about.flat_map(|line| line.split(' ')).find_map(|word| word.strip_prefix(&key));
    found.unwrap_or_else(|| panic!("the report has no {subject} {key}\n{}", report.join("\n")))
}

#[test]
fn a_guest_sees_the_machine_that_the_profile_describes() {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let report = report(&bench, &profile(&bench, &qemu.binary, TABLES));
        let seen = |subject, key| value(&report, subject, key);
        // Skylake-Server in QEMU's `target/i386/cpu.c`.
        assert_eq!((seen("cpu", "vendor"), seen("cpu", "family"), seen("cpu", "model")), ("GenuineIntel", "6", "85"));
        assert_eq!(seen("vcpus", "started"), "8");
        let levels = ["packages", "dies", "cores", "threads"].map(|level| seen("topology", level));
        // Without a word QEMU 10.0 ends here by an assertion, see `cpu.rs`.
        assert_eq!(levels, ["2", "2", "2", "2"]);
        assert_eq!(seen("memory", "ram"), (192_u64 << 20).to_string());
        assert_eq!(seen("smbios", "uuid"), UUID);
        let smbios = "smbios manufacturer=\"Example, Inc.\" product=\"Model = 7\" ";
        assert!(report.iter().any(|line| line.starts_with(smbios)), "{report:#?}");
        let tables: Vec<_> = seen("acpi", "tables").split(',').collect();
        // Nodes are in the SRAT, the table of the profile is there by its own name.
        assert!(["SRAT", "VMRT"].iter().all(|table| tables.contains(table)), "{tables:?}");
        let beyond_the_root = report
            .iter()
            .filter(|line| line.starts_with("pci address="))
            .filter(|line| !line.starts_with("pci address=00:"));
        let mut functions: Vec<_> =
            beyond_the_root.filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("id="))).collect();
        functions.sort_unstable();
        assert_eq!(functions, FUNCTIONS, "QEMU {}", qemu.version);
    }
}

/// Address and origin of each device, by what names it.
fn addresses(bench: &Bench, profile: &std::path::Path) -> Vec<(String, String, String)> {
    let output = bench.output(&["plan", profile.to_str().unwrap(), "--json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |seat: &Value, key: &str| seat[key].as_str().unwrap().to_owned();
    let seats = plan["plan"]["addresses"].as_array().unwrap().iter();
    let mut seats: Vec<_> = seats.map(|seat| (text(seat, "name"), text(seat, "addr"), text(seat, "by"))).collect();
    seats.sort();
    seats
}

#[test]
fn devices_stay_where_they_were_when_others_come_and_go() {
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    let tables = format!("{TABLES}\n[kernel]\nimage = \"guest.elf\"\nappend = \"then=poweroff\"\n");
    let first = profile(&bench, &qemu.binary, &tables);
    let before = addresses(&bench, &first);
    assert!(before.iter().all(|(.., by)| by == "dealt"), "{before:?}");
    let ended = bench.output(&[first.to_str().unwrap()]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(bench.path("state/guest/addresses.json").is_file());
    // The first disk is gone, and another one is there in its place.
    let changed = tables.replace("a.raw", "new.raw");
    let after = addresses(&bench, &profile(&bench, &qemu.binary, &changed));
    for (name, addr, _) in before.iter().filter(|(name, ..)| !name.ends_with("a.raw")) {
        assert!(after.contains(&(name.clone(), addr.clone(), "kept".to_owned())), "{name} {addr}: {after:?}");
    }
    let new = after.iter().find(|(name, ..)| name.ends_with("new.raw")).unwrap();
    assert_eq!(new.2, "dealt");
    assert!(before.iter().all(|(_, addr, _)| *addr != new.1), "{before:?} {new:?}");
    // Even when the first goes without another: no disk changes its serial number, no interface its address.
    let (head, rest) = tables.split_once("[[disk]]").unwrap();
    let (_, rest) = rest.split_once("[[disk]]").unwrap();
    let fewer = profile(&bench, &qemu.binary, &format!("{head}[[disk]]{rest}"));
    let plan = bench.output(&["plan", fewer.to_str().unwrap(), "--argv"]);
    let argv = String::from_utf8(plan.stdout).unwrap();
    assert!(argv.contains(r#""serial":"vmrun-1""#), "{argv}");
}

#[test]
fn a_guest_stands_behind_each_iommu_and_reads_its_table() {
    // ACPI: the tables of Intel's, AMD's and virtio's IOMMU.
    for (model, table) in [("intel", "DMAR"), ("amd", "IVRS"), ("virtio", "VIOT")] {
        for qemu in qemus() {
            let bench = Bench::new(&qemu.binary);
            let profile = bench.profile("", &format!("[iommu]\nmodel = \"{model}\"\n"));
            let ended = bench.run(&["run", profile.to_str().unwrap()]);
            assert_eq!(ended.code, Some(0), "{}", ended.text());
            let said = bench.serial();
            let tables = said.lines().find_map(|line| line.split_once("acpi tables=")).unwrap().1;
            assert!(tables.split(',').any(|name| name == table), "{model}, {}: {tables}", qemu.version);
            assert!(said.contains("vmrun-guest: done"), "{said}");
        }
    }
}

#[test]
fn vcpus_that_an_old_pc_cannot_name_all_run() {
    let [_, qemu] = qemus();
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("", "[cpu]\ncores = 260\n[iommu]\nmodel = \"intel\"\n");
    let ended = bench.run(&["run", profile.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert!(bench.serial().contains("vcpus present=260 started=260"), "{}", bench.serial());
}

#[test]
fn a_guest_that_did_not_start_is_not_compared() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
    command.arg("demo").env_clear().env("PATH", std::env::var_os("PATH").unwrap()).uid(65534).gid(65534);
    let output = command.current_dir("/").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*String::from_utf8(output.stdout).unwrap()), (Some(13), ""), "{said}");
    assert!(said.contains("Permission denied") && said.contains("set XDG_RUNTIME_DIR or VMRUN_RUNTIME_DIR"), "{said}");
}
