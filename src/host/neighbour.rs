//! Other guests that run, and the host CPUs that their vCPUs are pinned to: from the folders of their runs.

use super::Root;
use crate::unit::CpuSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// Another guest of vmrun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Host CPUs that its vCPUs are pinned to.
    pub cpus: CpuSet,
}

/// The guests beside the run folder `own` whose vCPUs are pinned and whose QEMU lives, by name.
pub(super) fn read(root: &Root, own: &Path) -> Vec<Neighbour> {
    let Some(runs) = own.parent() else { return Vec::new() };
    let others = root.names(runs).into_iter().filter(|name| own.file_name().is_none_or(|own| own != name.as_str()));
    others.filter_map(|name| neighbour(root, &runs.join(&name), name)).collect()
}

fn neighbour(root: &Root, dir: &Path, name: String) -> Option<Neighbour> {
    let state: Value = serde_json::from_str(&root.text(dir.join("state.json"))?).ok()?;
    let stat = root.text(format!("/proc/{}/stat", state["qemu"]["pid"].as_u64()?))?;
    // Field 22; the name before it may hold anything. A number is given out again, a start time is not.
    let start: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(22 - 3)?.parse().ok()?;
    let pins = state["plan"]["pins"]["vcpus"].as_array()?;
    let cpus: CpuSet = pins
        .iter()
        .filter_map(|pin| pin["cpus"].as_str()?.parse().ok())
        .flat_map(|cpus: CpuSet| cpus.iter().collect::<Vec<_>>())
        .collect();
    (state["qemu"]["start_ticks"] == start && !cpus.is_empty()).then_some(Neighbour { name, cpus })
}

#[cfg(test)]
mod test {
    use super::{Neighbour, read};
    use crate::host::tree::lay_out;
    use std::path::Path;

    #[test]
    fn a_guest_that_lives_has_its_cpus_and_one_that_died_has_none() {
        let state = |pid: u32, start: u32| {
            format!(
                r#"{{"qemu":{{"pid":{pid},"start_ticks":{start}}},"plan":{{"pins":{{"vcpus":[{{"cpus":"2","sched":"normal"}},{{"cpus":"6","sched":"normal"}}]}}}}}}"#
            )
        };
        let fields: Vec<String> = (3..=25).map(|field| field.to_string()).collect();
        let tree = lay_out(&[
            ("/run/vmrun/linux/state.json", &state(7, 22)),
            ("/run/vmrun/dead/state.json", &state(7, 21)),
            ("/run/vmrun/gone/state.json", &state(8, 22)),
            ("/run/vmrun/windows/state.json", &state(7, 22)),
            ("/proc/7/stat", &format!("7 (qemu) x) {}\n", fields.join(" "))),
        ]);
        let found = read(&tree.root, Path::new("/run/vmrun/windows"));
        assert_eq!(found, [Neighbour { name: "linux".into(), cpus: "2,6".parse().unwrap() }]);
    }
}
