//! How fast host CPUs run, and who decides. Source: Linux `Documentation/admin-guide/pm/cpufreq.rst`, `intel_pstate.rst`.

use super::super::Root;
use super::{Cpu, FOLDER};
use serde::{Deserialize, Serialize};

/// The driver that sets frequencies, and what it takes; that of the first CPU, as all have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frequency {
    /// Its name, like `amd-pstate-epp` or `acpi-cpufreq`.
    pub driver: String,
    /// Governors that can be chosen.
    pub governors: Vec<String>,
    /// Energy performance preferences that can be chosen; empty for a driver that does not have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferences: Vec<String>,
}

/// Fills in the frequency and governor of each of `cpus`; returns what sets them, `None` on a machine where nothing does.
pub(in crate::host) fn read(root: &Root, cpus: &mut [Cpu]) -> Option<Frequency> {
    for cpu in cpus.iter_mut() {
        let text = |file: &str| text(root, cpu.id, file);
        let max_khz = text("cpuinfo_max_freq").and_then(|text| text.parse().ok());
        let (governor, preference) = (text("scaling_governor"), text("energy_performance_preference"));
        (cpu.max_khz, cpu.governor, cpu.preference) = (max_khz, governor, preference);
        let policy = root.link_name(format!("{FOLDER}/cpu{}/cpufreq", cpu.id));
        cpu.policy = policy.and_then(|name| name.strip_prefix("policy")?.parse().ok());
    }
    let first = cpus.first()?.id;
    let list = |file: &str| {
        let text = text(root, first, file).unwrap_or_default();
        text.split_ascii_whitespace().map(str::to_owned).collect()
    };
    Some(Frequency {
        driver: text(root, first, "scaling_driver")?,
        governors: list("scaling_available_governors"),
        preferences: list("energy_performance_available_preferences"),
    })
}

fn text(root: &Root, cpu: u32, file: &str) -> Option<String> {
    root.text(format!("{FOLDER}/cpu{cpu}/cpufreq/{file}"))
}
