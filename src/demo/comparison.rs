//! What the profile says beside what the guest saw.

use super::Report;
use crate::plan::Contents;
use serde::Serialize;

/// One fact, as planned and as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The fact, in a word or two.
    pub what: &'static str,
    /// As the plan has it.
    pub planned: String,
    /// As the guest saw it; `None` when it did not say.
    pub seen: Option<String>,
}

impl Compared {
    /// Whether the guest saw what was planned.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.seen.as_ref() == Some(&self.planned)
    }
}

/// Holds the report against the plan, fact by fact. What the plan leaves to QEMU is not compared.
#[must_use]
pub fn compare(plan: &Contents, report: &Report) -> Vec<Compared> {
    let fact =
        |what, planned: Option<String>, seen: Option<String>| planned.map(|planned| Compared { what, planned, seen });
    [
        fact("vCPUs that run", Some(plan.vcpus.to_string()), owned(report.value("vcpus", "started"))),
        fact("topology", planned_topology(plan, tells_dies(report)), seen_topology(report)),
        fact("memory", planned_memory(plan), seen_memory(report)),
        fact("UUID", planned_uuid(plan), owned(report.value("smbios", "uuid"))),
        fact("hypervisor", planned_hypervisor(plan), owned(report.value("hypervisor", "signature"))),
        fact("PCI devices", Some(planned_devices(plan).to_string()), Some(seen_devices(report).to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn owned(value: Option<&str>) -> Option<String> {
    value.map(str::to_owned)
}

fn topology(sockets: &str, dies: &str, cores: &str, threads: &str) -> String {
    format!("{sockets} sockets, {dies} dies, {cores} cores, {threads} threads")
}

/// Whether the guest's CPU tells it of dies. Those of AMD do not: QEMU has leaf 0x1f for Intel's alone, and no
/// 0x80000026 (`cpu_x86_cpuid`).
fn tells_dies(report: &Report) -> bool {
    report.value("cpu", "vendor") != Some("AuthenticAMD")
}

fn planned_topology(plan: &Contents, tells_dies: bool) -> Option<String> {
    let level = |key: &str| plan.argv.smp.get(key);
    let count = |key: &str| level(key).map_or(Some(1), |count| count.parse::<u32>().ok());
    // The guest counts the cores of a die, whatever module they are in.
    let (dies, cores) = (count("dies")?, count("modules")? * count("cores")?);
    let (dies, cores) = if tells_dies { (dies, cores) } else { (1, dies * cores) };
    Some(topology(level("sockets")?, &dies.to_string(), &cores.to_string(), level("threads")?))
}

fn seen_topology(report: &Report) -> Option<String> {
    let level = |key: &str| report.value("topology", key);
    // The guest counts the cores of a package, whatever die they are in.
    let cores = level("cores")?.parse::<u32>().ok()?.checked_div(level("dies")?.parse().ok()?)?;
    Some(topology(level("packages")?, level("dies")?, &cores.to_string(), level("threads")?))
}

fn planned_memory(plan: &Contents) -> Option<String> {
    let mebibytes: u64 = plan.argv.memory.get("size")?.strip_suffix('M')?.parse().ok()?;
    Some(format!("{mebibytes} MiB"))
}

fn seen_memory(report: &Report) -> Option<String> {
    let bytes: u64 = report.value("memory", "ram")?.parse().ok()?;
    Some(format!("{} MiB", bytes >> 20))
}

fn planned_uuid(plan: &Contents) -> Option<String> {
    plan.argv.value("-uuid")
}

/// The vendor id that KVM shows; under TCG a guest sees TCG's own, whatever is asked for (QEMU: `cpu_x86_cpuid`).
fn planned_hypervisor(plan: &Contents) -> Option<String> {
    let kvm = plan.argv.accel.first() == Some("kvm");
    owned(plan.argv.cpu.get("hv-vendor-id").filter(|_| kvm))
}

/// Devices that the plan puts behind root ports; each has functions of its own there.
fn planned_devices(plan: &Contents) -> usize {
    plan.argv.json("-device").filter(is_behind_a_port).count()
}

fn is_behind_a_port(device: &serde_json::Value) -> bool {
    device["bus"].as_str().is_some_and(|bus| bus.starts_with("rp")) && device["driver"] != "pcie-root-port"
}

/// Functions beyond the root bus.
fn seen_devices(report: &Report) -> usize {
    report.values("pci", "address").filter(|address| !address.starts_with("00:")).count()
}
