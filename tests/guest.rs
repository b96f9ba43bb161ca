//! The demo guest in real QEMUs: it reports the machine that was asked for, and ends as it was told.

mod support;

#[path = "../build.rs"]
#[allow(dead_code, reason = "only the compiling is of use here")]
mod build;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::json;
use vmrun::demo_image::GUEST_ELF;

use crate::support::demo_guest::{Machine, Report, qemus};

const Q35: [&str; 2] = ["-machine", "q35"];
const PC: [&str; 2] = ["-machine", "pc"];

/// The report of a guest on each QEMU with these arguments, which then powers off by itself.
fn reports(arguments: &[&str]) -> Vec<Report> {
    let report = |qemu: &Path| {
        let machine = Machine::start(qemu, "", &[arguments, &["-no-reboot"]].concat());
        let report = machine.report();
        let (rest, status) = machine.rest();
        assert!(rest.is_empty() && status.success(), "{status}: {rest:?}");
        report
    };
    qemus().iter().map(|qemu| report(qemu)).collect()
}

/// A guest that has reported, on each QEMU.
fn obeying(command_line: &str, arguments: &[&str]) -> Vec<Machine> {
    let machine = |qemu: &Path| {
        let machine = Machine::start(qemu, command_line, arguments);
        machine.report();
        machine
    };
    qemus().iter().map(|qemu| machine(qemu)).collect()
}

#[test]
fn the_smallest_machine_is_reported() {
    for report in reports(&["-machine", "pc", "-m", "16"]) {
        assert_eq!(report.all("memory")[0], "ram=16777216 source=fw_cfg");
        assert_eq!(report.one("vcpus"), "present=1 started=1");
        assert_eq!(report.all("vcpu"), ["index=0 apic=0 package=0 die=0 core=0 thread=0"]);
    }
}

#[test]
fn memory_above_4_gib_is_reported() {
    for report in reports(&["-machine", "q35", "-m", "6G"]) {
        let [ram, map] = report.all("memory")[..] else { panic!("{report:#?}") };
        assert_eq!(ram, "ram=6442450944 source=fw_cfg");
        // 2 GiB stay below the PCI window, 4 GiB move to the top.
        assert!(map.ends_with(" top=0x200000000"), "{map}");
    }
}

#[test]
fn four_vcpus_without_a_topology_are_four_cores() {
    for report in reports(&["-machine", "q35", "-smp", "4"]) {
        assert_eq!(report.one("vcpus"), "present=4 started=4");
        assert_eq!(report.one("topology"), "packages=1 cores=4 threads=1 dies=1 source=0xb");
    }
}

#[test]
fn every_vcpu_tells_its_own_place() {
    for report in reports(&["-machine", "q35", "-smp", "6,sockets=1,cores=2,threads=3"]) {
        assert_eq!(report.one("topology"), "packages=1 cores=2 threads=3 dies=1 source=0xb");
        // Three threads take two bits of the APIC id, so 3 is nobody's.
        assert_eq!(
            report.all("vcpu"),
            [
                "index=0 apic=0 package=0 die=0 core=0 thread=0",
                "index=1 apic=1 package=0 die=0 core=0 thread=1",
                "index=2 apic=2 package=0 die=0 core=0 thread=2",
                "index=3 apic=4 package=0 die=0 core=1 thread=0",
                "index=4 apic=5 package=0 die=0 core=1 thread=1",
                "index=5 apic=6 package=0 die=0 core=1 thread=2",
            ]
        );
    }
}

#[test]
fn packages_and_dies_are_told_apart() {
    // With 0x1f as the highest leaf SeaBIOS ends QEMU 10.0 by an assertion: a leaf beyond the last is answered from it,
    // whatever subleaf the register happens to hold.
    let cpu = ["-cpu", "qemu64,vendor=GenuineIntel,min-level=0x20", "-smp", "8,sockets=2,dies=2,cores=2,threads=1"];
    for report in reports(&[&Q35[..], &cpu].concat()) {
        assert_eq!(report.one("topology"), "packages=2 cores=4 threads=1 dies=2 source=0x1f");
        assert_eq!(report.all("vcpu")[7], "index=7 apic=7 package=1 die=1 core=1 thread=0");
    }
}

#[test]
fn a_processor_without_topology_leaf_is_read_the_old_way() {
    let cpu = ["-cpu", "qemu64,vendor=GenuineIntel,cpuid-0xb=off", "-smp", "4,cores=2,threads=2"];
    for report in reports(&[&PC[..], &cpu].concat()) {
        assert_eq!(report.one("topology"), "packages=1 cores=2 threads=2 dies=1 source=0x1");
    }
}

#[test]
fn the_processor_and_the_hypervisor_name_themselves() {
    let cpu = ["-cpu", "qemu64,vendor=AuthenticAMD,family=25,model=33,stepping=2,model-id=Five \"cores\""];
    for report in reports(&[&Q35[..], &cpu].concat()) {
        let expected = r#"vendor=AuthenticAMD family=25 model=33 stepping=2 brand="Five \"cores\"""#;
        assert_eq!(report.one("cpu"), expected);
        assert_eq!(report.one("hypervisor"), r#"signature="TCGTCGTCGTCG" max=0x40000001"#);
    }
}

#[test]
fn a_hidden_hypervisor_is_none() {
    for report in reports(&["-machine", "q35", "-cpu", "qemu64,-hypervisor"]) {
        assert_eq!(report.one("hypervisor"), "none");
        assert!(report.all("hyperv").is_empty());
    }
}

#[test]
fn functions_behind_bridges_and_extra_roots_are_found() {
    let devices = [
        "-device pcie-root-port,id=left,chassis=1,addr=02.0",
        "-device pcie-root-port,id=right,chassis=2,addr=03.0",
        "-blockdev null-co,node-name=disk",
        "-device virtio-blk-pci,drive=disk,bus=left,disable-legacy=on",
        "-device pxb-pcie,id=root,bus_nr=128,addr=04.0",
        "-device pcie-root-port,id=far,chassis=3,bus=root",
        "-blockdev null-co,node-name=far-disk",
        "-device nvme,drive=far-disk,serial=1,bus=far",
    ]
    .map(|device| device.split(' ').collect::<Vec<_>>())
    .concat();
    for report in reports(&[&Q35[..], &devices].concat()) {
        let functions = report.all("pci");
        let places: Vec<_> = functions.iter().filter_map(|line| line.split(' ').next()).collect();
        let sorted = {
            let mut places = places.clone();
            places.sort_unstable();
            places
        };
        assert_eq!(places, sorted);
        let begins = |start: &str| functions.iter().any(|line| line.starts_with(start));
        assert!(begins("address=00:02.0 id=1b36:000c class=0604 header=1 secondary=01"), "{functions:#?}");
        assert!(begins("address=00:03.0 id=1b36:000c class=0604 header=1 secondary=02"), "{functions:#?}");
        assert!(begins("address=01:00.0 id=1af4:1042 class=0100 subsystem=1af4:1100 bar1=0x"), "{functions:#?}");
        assert!(begins("address=80:00.0 id=1b36:000c class=0604 header=1 secondary=81"), "{functions:#?}");
        assert!(begins("address=81:00.0 id=1b36:0010 class=0108 "), "{functions:#?}");
    }
}

#[test]
fn the_size_of_a_memory_window_is_measured() {
    let shared =
        ["-object", "memory-backend-ram,id=m,size=32M,share=on", "-device", "ivshmem-plain,memdev=m,addr=05.0"];
    for report in reports(&[&PC[..], &shared].concat()) {
        let functions = report.all("pci");
        let function = functions.iter().find(|line| line.starts_with("address=00:05.0 id=1af4:1110 "));
        let function = function.expect("the shared memory device");
        assert!(function.contains(" bar0_size=0x100 bar0_kind=mem32 "), "{function}");
        assert!(function.ends_with(" bar2_size=0x2000000 bar2_kind=mem64-prefetch"), "{function}");
    }
}

#[test]
fn tables_name_and_clock_are_reported() {
    let name =
        ["-smbios", "type=1,manufacturer=Ours,product=A \"box\"", "-uuid", "12345678-9abc-def0-1122-334455667788"];
    let clock = ["-rtc", "base=2024-02-29T12:30:15,clock=vm"];
    for report in reports(&[&Q35[..], &name, &clock].concat()) {
        let tables = report.one("acpi").strip_prefix("tables=").expect("a list");
        let has = |name| tables.split(',').any(|table| table == name);
        assert!(has("FACP") && has("APIC") && has("MCFG"), "{tables}");
        let expected = r#"manufacturer="Ours" product="A \"box\"" uuid=12345678-9abc-def0-1122-334455667788"#;
        assert_eq!(report.one("smbios"), expected);
        let clock = report.one("clock");
        assert!(clock.starts_with("rtc=2024-02-29T12:3"), "{clock}");
        assert!(clock.ends_with(" tsc_invariant=no"), "{clock}");
    }
}

#[test]
fn a_brief_report_leaves_single_vcpus_and_functions_out() {
    for qemu in qemus() {
        let report = Machine::start(&qemu, "report=brief", &["-smp", "2"]).report();
        assert_eq!(report.one("vcpus"), "present=2 started=2");
        assert!(report.all("vcpu").is_empty() && report.all("pci").is_empty(), "{report:#?}");
    }
}

#[test]
fn registers_of_a_device_are_written_and_read_back() {
    // A mode register of the display, and the register of `edu` that answers with what was written, inverted.
    let words = "report=brief poke=00:05.0/2/502/0280 poke=00:06.0/0/4/00000001 poke=00:07.0/0/0/00";
    for qemu in qemus() {
        let devices = ["-machine", "q35", "-device", "secondary-vga,addr=5", "-device", "edu,addr=6"];
        let report = Machine::start(&qemu, words, &devices).report();
        let display = "address=00:05.0 bar=2 offset=0x502 before=0000 wrote=0280 after=0280";
        let edu = "address=00:06.0 bar=0 offset=0x4 before=00000000 wrote=00000001 after=fffffffe";
        assert_eq!(report.all("poke"), [display, edu]);
        let nothing = "poke=00:07.0 bar=0 offset=0x0 is no memory that the firmware has placed";
        assert_eq!(report.all("error"), [nothing]);
    }
}

#[test]
fn an_unknown_word_is_an_error_and_powers_off() {
    for qemu in qemus() {
        let machine = Machine::start(&qemu, "then=fly report=brief speed=9", &["-no-reboot"]);
        let report = machine.report();
        let expected = [r#"command="then=fly" is not known"#, r#"command="speed=9" is not known"#];
        assert_eq!(report.all("error"), expected);
        let (rest, status) = machine.rest();
        assert!(rest.is_empty() && status.success(), "{status}: {rest:?}");
    }
}

#[test]
fn waiting_costs_nothing_and_ends_by_the_power_button() {
    for board in [Q35, PC] {
        for mut machine in obeying("then=wait report=brief", &[&board[..], &["-smp", "2"]].concat()) {
            assert_eq!(machine.line().as_deref(), Some("waiting"));
            assert!(machine.monitor.halted_with_interrupts());
            machine.monitor.power_button();
            assert_eq!(machine.monitor.event("SHUTDOWN")["reason"], "guest-shutdown");
            let (rest, status) = machine.rest();
            assert!(status.success());
            assert_eq!(rest, ["power button"]);
        }
    }
}

#[test]
fn the_power_button_can_be_ignored() {
    for mut machine in obeying("then=ignore report=brief", &Q35) {
        assert_eq!(machine.line().as_deref(), Some("waiting"));
        for _ in 0..2 {
            machine.monitor.power_button();
            assert_eq!(machine.line().as_deref(), Some("power button ignored"));
        }
        assert!(machine.monitor.halted_with_interrupts());
        assert!(machine.monitor.running());
    }
}

#[test]
fn resets_are_counted_and_end() {
    for board in [Q35, PC] {
        for machine in obeying("then=reset resets=2 report=brief", &board) {
            assert_eq!(machine.line().as_deref(), Some("reset 1 of 2"));
            machine.report();
            assert_eq!(machine.line().as_deref(), Some("reset 2 of 2"));
            machine.report();
            let (rest, status) = machine.rest();
            assert!(rest.is_empty() && status.success(), "{status}: {rest:?}");
        }
    }
}

#[test]
fn a_panic_is_told_by_pvpanic() {
    let stay = ["-device", "pvpanic", "-action", "panic=pause"];
    for mut machine in obeying("then=panic report=brief", &[&Q35[..], &stay].concat()) {
        assert_eq!(machine.line().as_deref(), Some("panic"));
        assert_eq!(machine.monitor.event("GUEST_PANICKED")["action"], "pause");
        assert_eq!(machine.monitor.execute("query-status", &json!({}))["status"], "guest-panicked");
    }
}

#[test]
fn a_panic_without_pvpanic_is_an_error_and_powers_off() {
    for machine in obeying("then=panic report=brief", &Q35) {
        let (rest, status) = machine.rest();
        assert!(status.success());
        assert_eq!(rest, ["error panic=absent no pvpanic here takes it"]);
    }
}

#[test]
fn a_hanging_guest_is_deaf() {
    for mut machine in obeying("then=hang report=brief", &Q35) {
        assert!(!machine.monitor.halted_with_interrupts());
        machine.monitor.power_button();
        assert!(machine.monitor.running());
    }
}

#[test]
fn a_spinning_guest_stays_at_work() {
    for mut machine in obeying("then=spin report=brief", &Q35) {
        machine.monitor.spins();
        machine.monitor.power_button();
        assert!(machine.monitor.running());
    }
}

#[test]
fn a_crash_resets_the_machine() {
    for mut machine in obeying("then=crash report=brief", &[&Q35[..], &["-no-reboot"]].concat()) {
        assert_eq!(machine.monitor.event("SHUTDOWN")["reason"], "guest-reset");
        let (rest, status) = machine.rest();
        assert!(rest.is_empty() && status.success(), "{status}: {rest:?}");
    }
}

#[test]
fn the_same_sources_elsewhere_give_the_same_bytes() {
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let source = elsewhere.path().join("a checkout, of/the=guest");
    fs::create_dir_all(&source).expect("room for a directory");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guest");
    for file in fs::read_dir(here).expect("the guest's sources") {
        let file = file.expect("a directory entry");
        fs::copy(file.path(), source.join(file.file_name())).expect("room for a copy");
    }
    let elf = elsewhere.path().join("guest.elf");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    build::compile_guest(&rustc, &source, &elf);
    assert!(fs::read(elf).expect("the guest") == GUEST_ELF, "the guest differs from the one in the library");
}
