//! An ACPI table that gives each host CPU three frequencies, so that the kernel's own `acpi-cpufreq` runs and governors
//! can be chosen, one for the threads of a core. QEMU's firmware has none.

use std::fs;
use std::path::Path;

/// Frequency in MHz and power in mW of each state, fastest first.
const STATES: &[(u32, u32)] = &[(3000, 65000), (2200, 45000), (1400, 25000)];

/// The port that states are written to and read from: port 80h takes everything and does nothing.
const PORT: u16 = 0x80;

/// Writes the table for `cpus` host CPUs, of which `threads` of a core change together, into the folder `cache` and
/// returns its path.
pub(crate) fn table(cache: &Path, cpus: u32, threads: u32) -> String {
    let path = cache.join(format!("frequencies-{cpus}-{threads}.aml"));
    let partial = cache.join(format!("frequencies-{cpus}-{threads}.{}", std::process::id()));
    fs::write(&partial, ssdt(cpus, threads))
        .and_then(|()| fs::rename(&partial, &path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.display().to_string()
}

/// A secondary table: the header of ACPI 6.5, section 5.2.6, and the objects of each processor below the names that
/// QEMU gives them. QEMU fills in the checksum.
fn ssdt(cpus: u32, threads: u32) -> Vec<u8> {
    let body: Vec<u8> =
        (0..cpus).flat_map(|cpu| scope(&format!("C{cpu:03X}"), &processor(cpu / threads, threads))).collect();
    let mut table = b"SSDT".to_vec();
    table.extend(u32::try_from(36 + body.len()).expect("a small table").to_le_bytes());
    table.extend([2, 0]);
    table.extend(b"VMRUN ");
    table.extend(b"CPUFREQ ");
    table.extend(1_u32.to_le_bytes());
    table.extend(b"TEST");
    table.extend(1_u32.to_le_bytes());
    let sum = table.iter().chain(&body).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    table[9] = sum.wrapping_neg();
    table.extend(body);
    table
}

/// `_PCT`, `_PSS`, `_PPC` and `_PSD` of one processor; ACPI 6.5, section 8.4.5. The `threads` of `core` change together,
/// and the kernel tells each of them.
fn processor(core: u32, threads: u32) -> Vec<u8> {
    let register = buffer(&[&[0x82, 12, 0, 1, 8, 0, 0][..], &u64::from(PORT).to_le_bytes(), &[0x79, 0]].concat());
    let states = (0..).zip(STATES).map(|(number, &(mhz, mw))| {
        // Frequency, power, latency of a change, latency of the bus (both in µs), control and status value.
        package(&[mhz, mw, 10, 10, number, number].map(integer))
    });
    [
        name("_PCT", &package(&[register.clone(), register])),
        name("_PSS", &package(&states.collect::<Vec<_>>())),
        name("_PPC", &integer(0)),
        // Entries, revision, domain, SW_ALL, and how many there are.
        name("_PSD", &package(&[package(&[5, 0, core, 0xfc, threads].map(integer))])),
    ]
    .concat()
}

/// `Scope (\_SB.CPUS.<processor>)`; ACPI 6.5, section 20.2.5.1.
fn scope(processor: &str, content: &[u8]) -> Vec<u8> {
    // Root, then three names.
    let path = [&[b'\\', 0x2f, 3][..], b"_SB_", b"CPUS", processor.as_bytes()].concat();
    [vec![0x10], sized(&[&path, content].concat())].concat()
}

fn name(name: &str, value: &[u8]) -> Vec<u8> {
    [&[0x08], name.as_bytes(), value].concat()
}

fn package(elements: &[Vec<u8>]) -> Vec<u8> {
    let count = u8::try_from(elements.len()).expect("a short package");
    [vec![0x12], sized(&[vec![count], elements.concat()].concat())].concat()
}

fn buffer(content: &[u8]) -> Vec<u8> {
    let length = integer(u32::try_from(content.len()).expect("a short buffer"));
    [vec![0x11], sized(&[&length, content].concat())].concat()
}

/// A `DWordConst`.
fn integer(value: u32) -> Vec<u8> {
    [&[0x0c][..], &value.to_le_bytes()].concat()
}

/// `content` after its length, which counts itself: two bytes of it; ACPI 6.5, section 20.2.4.
fn sized(content: &[u8]) -> Vec<u8> {
    let length = content.len() + 2;
    assert!(length < 1 << 12, "a length of two bytes");
    let low = u8::try_from(length & 0xf).expect("four bits");
    let high = u8::try_from(length >> 4).expect("eight bits");
    [&[0x40 | low, high], content].concat()
}
