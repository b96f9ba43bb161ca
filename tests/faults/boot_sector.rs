//! Guests of a few bytes, which end in ways that no guest of more would take for a test.

use crate::support::setup::{Qemu, qemus};
use crate::support::vmrun::{Bench, Ended};
use std::fs;

/// Soft off, where SeaBIOS puts the port on q35.
const OFF: &[u8] = &[0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef];
/// The same with the sleep type that ICH9 has for S4. QEMU: `hw/acpi/core.c`, `acpi_pm1_cnt_write`.
const HIBERNATE: &[u8] = &[0xba, 0x04, 0x06, 0xb8, 0x00, 0x28, 0xef];
/// Tells pvpanic that a crash kernel was loaded. QEMU: `docs/specs/pvpanic.rst`.
const CRASHLOADED: &[u8] = &[0xba, 0x05, 0x05, 0xb0, 0x02, 0xee];
/// Writes 16 to the port of `isa-debug-exit`, which is a status of 33.
const DEBUG_EXIT: &[u8] = &[0xba, 0x01, 0x05, 0xb0, 0x10, 0xee];
/// Halts for ever.
const HALT: &[u8] = &[0xf4, 0xeb, 0xfd];

/// Runs vmrun on a guest that does what `code` says, with `more` in the table `[qemu]`.
fn ran(qemu: &Qemu, code: &[&[u8]], more: &str) -> Ended {
    let bench = Bench::new(&qemu.binary);
    let mut sector = code.concat();
    sector.extend(HALT);
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    // SeaBIOS takes none of one sector for a disk.
    sector.resize(16 << 20, 0);
    fs::write(bench.path("disk.img"), sector).unwrap();
    let profile = format!(
        "schema = 1\nname = \"guest\"\n[machine]\naccel = \"tcg\"\n[memory]\nsize = \"64M\"\n[firmware]\nkind = \"bios\"\n\
         [[disk]]\nfile = \"disk.img\"\nformat = \"raw\"\nbus = \"sata\"\nboot_index = 1\n\
         [qemu]\nbinary = \"{}\"\n{more}",
        qemu.binary.display()
    );
    let profile = bench.write("guest.toml", &profile);
    let ended = bench.run(&["run", profile.to_str().unwrap()]);
    assert_eq!(bench.leftovers(), Vec::<String>::new());
    ended
}

#[test]
fn row_037_a_guest_that_loaded_its_crash_kernel_goes_on_and_ends_well() {
    for qemu in qemus() {
        let ended = ran(&qemu, &[CRASHLOADED, OFF], "");
        assert_eq!(ended.code, Some(0), "QEMU {}: {}", qemu.version, ended.text());
        assert!(ended.text().contains("the guest powered off"), "{}", ended.text());
    }
}

#[test]
fn row_039_a_guest_that_hibernates_ends_well_and_is_called_so() {
    for qemu in qemus() {
        let ended = ran(&qemu, &[HIBERNATE], "");
        assert_eq!(ended.code, Some(0), "QEMU {}: {}", qemu.version, ended.text());
        assert!(ended.text().contains("hibernated"), "{}", ended.text());
    }
}

#[test]
fn row_044_a_guest_that_ends_by_a_debug_device_is_told_with_its_status() {
    for qemu in qemus() {
        let ended = ran(&qemu, &[DEBUG_EXIT], "args = [\"-device\", \"isa-debug-exit\"]\n");
        assert_eq!(ended.code, Some(31), "QEMU {}: {}", qemu.version, ended.text());
        assert!(ended.text().contains("33"), "{}", ended.text());
    }
}
