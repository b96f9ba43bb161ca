//! Caches and the host CPUs that share them. Source: Linux `Documentation/ABI/testing/sysfs-devices-system-cpu`.

use super::super::Root;
use super::{FOLDER, list};
use crate::unit::{CpuSet, Size};
use serde::{Deserialize, Serialize};

/// A cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// 1 for the nearest to the core.
    pub level: u8,
    /// `Data`, `Instruction` or `Unified`, as the kernel calls them.
    pub kind: String,
    /// Its size.
    pub size: Size,
    /// The CPUs that share it and are online.
    pub cpus: CpuSet,
}

/// The cache of the last level of each CPU in `online`, each once.
pub(super) fn read(root: &Root, online: &CpuSet) -> Vec<Cache> {
    let mut caches: Vec<Cache> = Vec::new();
    for cpu in online.iter() {
        // It stands in the folder of each CPU that shares it: one look at it is enough, and a desktop has dozens of them.
        if !caches.iter().any(|cache| cache.cpus.contains(cpu)) {
            caches.extend(last(root, cpu));
        }
    }
    caches
}

/// The cache with the highest number of a CPU: the kernel counts from the core outwards. `None` for one of the first level,
/// which belongs to a core, whose sibling threads tell who shares it. Linux: `populate_cache_leaves` of
/// `arch/x86/kernel/cpu/cacheinfo.c`.
fn last(root: &Root, cpu: u32) -> Option<Cache> {
    let folder = format!("{FOLDER}/cpu{cpu}/cache");
    let number = |name: &String| name.strip_prefix("index")?.parse::<u8>().ok();
    let index = root.names(&folder).iter().filter_map(number).max()?;
    let text = |file: &str| root.text(format!("{folder}/index{index}/{file}"));
    let level = text("level")?.parse().ok().filter(|level| *level > 1)?;
    let mut cpus = text("shared_cpu_list").map(|text| list(&text)).unwrap_or_default();
    cpus.extend([cpu]);
    // Like `32768K`, which is our way of writing sizes too.
    Some(Cache { level, kind: text("type")?, size: text("size")?.parse().ok()?, cpus })
}

#[cfg(test)]
mod test {
    use super::read;
    use crate::host::tree::lay_out;

    #[test]
    fn two_domains_of_the_third_level_are_told_apart() {
        let mut files = Vec::new();
        for cpu in 0..4 {
            let own = format!("{cpu}\n");
            let domain = if cpu < 2 { "0-1\n" } else { "2-3\n" };
            let l3 = if cpu < 2 { "98304K\n" } else { "32768K\n" };
            for (index, level, kind, size, cpus) in [
                (0, "1\n", "Data\n", "32K\n", own.as_str()),
                (2, "2\n", "Unified\n", "1M\n", own.as_str()),
                (3, "3\n", "Unified\n", l3, domain),
            ] {
                let folder = format!("/sys/devices/system/cpu/cpu{cpu}/cache/index{index}");
                files.push((format!("{folder}/level"), level.to_owned()));
                files.push((format!("{folder}/type"), kind.to_owned()));
                files.push((format!("{folder}/size"), size.to_owned()));
                files.push((format!("{folder}/shared_cpu_list"), cpus.to_owned()));
            }
        }
        let files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
        let caches = read(&lay_out(&files).root, &"0-3".parse().unwrap());
        let told: Vec<_> = caches.iter().map(|it| format!("L{} {} {}", it.level, it.size, it.cpus)).collect();
        assert_eq!(told, ["L3 96M 0-1", "L3 32M 2-3"]);
    }
}
