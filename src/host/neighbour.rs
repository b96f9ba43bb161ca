//! Other guests that run, and what they have of the host: from the folders of their runs.

use super::Root;
use crate::unit::CpuSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Another guest of vmrun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Host CPUs that its vCPUs are pinned to; none when they are not.
    pub cpus: CpuSet,
    /// What its QEMU maps memory from: files, devices and folders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<PathBuf>,
}

/// The guests beside the run folder `own` whose QEMU lives, by name.
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
    let plan = &state["plan"];
    (state["qemu"]["start_ticks"] == start).then(|| Neighbour { name, cpus: cpus(plan), memory: memory(plan) })
}

fn cpus(plan: &Value) -> CpuSet {
    let pins = plan["pins"]["vcpus"].as_array().into_iter().flatten();
    let pins = pins.filter_map(|pin| pin["cpus"].as_str()?.parse().ok());
    pins.flat_map(|cpus: CpuSet| cpus.iter().collect::<Vec<_>>()).collect()
}

fn memory(plan: &Value) -> Vec<PathBuf> {
    let objects = plan["argv"]["objects"].as_array().into_iter().flatten();
    let objects = objects.filter_map(|object| serde_json::from_str(object["value"].as_str()?).ok());
    objects.filter_map(|object: Value| object["mem-path"].as_str().map(PathBuf::from)).collect()
}

#[cfg(test)]
mod test {
    use super::{Neighbour, read};
    use crate::host::tree::lay_out;
    use crate::plan::{Argv, Origin};
    use crate::unit::CpuSet;
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn a_guest_that_lives_has_its_cpus_and_its_memory_and_one_that_died_has_none() {
        let state = |pid: u32, start: u32| {
            let pins = json!({"vcpus": [{"cpus": "2", "sched": "normal"}, {"cpus": "6", "sched": "normal"}]});
            let mut argv = Argv::default();
            let object = json!({"qom-type": "memory-backend-file", "id": "x", "mem-path": "/dev/shm/x"});
            argv.object(&object, Origin::given("x"));
            let qemu = json!({"pid": pid, "start_ticks": start});
            json!({"qemu": qemu, "plan": {"pins": pins, "argv": argv}}).to_string()
        };
        let idle = json!({"qemu": {"pid": 7, "start_ticks": 22}, "plan": {"pins": {"vcpus": []}}}).to_string();
        let fields: Vec<String> = (3..=25).map(|field| field.to_string()).collect();
        let tree = lay_out(&[
            ("/run/vmrun/linux/state.json", &state(7, 22)),
            ("/run/vmrun/dead/state.json", &state(7, 21)),
            ("/run/vmrun/gone/state.json", &state(8, 22)),
            ("/run/vmrun/idle/state.json", &idle),
            ("/run/vmrun/windows/state.json", &state(7, 22)),
            ("/proc/7/stat", &format!("7 (qemu) x) {}\n", fields.join(" "))),
        ]);
        let found = read(&tree.root, Path::new("/run/vmrun/windows"));
        let idle = Neighbour { name: "idle".into(), cpus: CpuSet::default(), memory: Vec::new() };
        let linux = Neighbour { name: "linux".into(), cpus: "2,6".parse().unwrap(), memory: vec!["/dev/shm/x".into()] };
        assert_eq!(found, [idle, linux]);
    }
}
