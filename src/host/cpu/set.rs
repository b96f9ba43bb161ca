//! Sets of host CPUs that the kernel and its parameters treat apart.

use super::super::Root;
use super::{Cpu, FOLDER, list};
use crate::unit::CpuSet;
use serde::{Deserialize, Serialize};

/// Sets of host CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuSets {
    /// Switched off.
    #[serde(default, skip_serializing_if = "CpuSet::is_empty")]
    pub offline: CpuSet,
    /// Kept from the scheduler by `isolcpus`: threads stay on the CPU that they are put on.
    #[serde(default, skip_serializing_if = "CpuSet::is_empty")]
    pub isolated: CpuSet,
    /// Without a timer tick while one thread runs, `nohz_full`.
    #[serde(default, skip_serializing_if = "CpuSet::is_empty")]
    pub nohz_full: CpuSet,
    /// Those that this process may use: what its control group and its own mask leave; from `/proc/self/status`.
    #[serde(default, skip_serializing_if = "CpuSet::is_empty")]
    pub allowed: CpuSet,
}

impl CpuSets {
    pub(in crate::host) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The sets as the kernel tells them.
pub(super) fn read(root: &Root) -> CpuSets {
    let set = |name: &str| root.text(format!("{FOLDER}/{name}")).map(|text| list(&text)).unwrap_or_default();
    let allowed = root.line("/proc/self/status", "Cpus_allowed_list:");
    CpuSets {
        offline: set("offline"),
        isolated: set("isolated"),
        nohz_full: set("nohz_full"),
        allowed: allowed.and_then(|line| Some(list(line.split_once(':')?.1.trim()))).unwrap_or_default(),
    }
}

/// What a core of a hybrid processor is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CoreKind {
    /// Fast: Intel's P-cores.
    Performance,
    /// Small: Intel's E-cores.
    Efficiency,
}

/// Fills in the kind of each of `cpus` on a hybrid processor, where each kind has counters of its own; Linux
/// `Documentation/arch/x86/topology.rst`, `arch/x86/events/intel/core.c`.
pub(super) fn kinds(root: &Root, cpus: &mut [Cpu]) {
    for (unit, kind) in [
        ("cpu_core", CoreKind::Performance),
        ("cpu_atom", CoreKind::Efficiency),
        ("cpu_lowpower", CoreKind::Efficiency),
    ] {
        let of_kind = root.text(format!("/sys/devices/{unit}/cpus")).map(|text| list(&text)).unwrap_or_default();
        for cpu in cpus.iter_mut().filter(|cpu| of_kind.contains(cpu.id)) {
            cpu.kind = Some(kind);
        }
    }
}
