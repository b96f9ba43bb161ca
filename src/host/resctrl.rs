//! Shares of the caches and of the memory's bandwidth that the kernel can deal out; [`super::Area::Tuning`].
//! Linux: `Documentation/filesystems/resctrl.rst`.

use super::Root;
use crate::unit::CpuSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the groups are.
const FOLDER: &str = "/sys/fs/resctrl";

/// What can be dealt out, and what is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resctrl {
    /// Whether that is mounted; else nothing more is known of it.
    pub mounted: bool,
    /// The third level of caches; `None` where the processor does not divide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l3: Option<Ways>,
    /// The memory's bandwidth; `None` where the processor does not divide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// Groups that there can be, with that of everybody.
    #[serde(default)]
    pub most_groups: u32,
    /// Host CPUs of each cache of the third level, by the number that the kernel gives it.
    #[serde(default)]
    pub domains: BTreeMap<u32, CpuSet>,
    /// The groups by name, that of everybody without one: the share of each cache, by the resource's name and the cache's
    /// number.
    #[serde(default)]
    pub groups: BTreeMap<String, Shares>,
}

/// What a group has, by the resource's name and the cache's number; a line of `schemata` each.
pub type Shares = BTreeMap<String, BTreeMap<u32, String>>;

/// How a cache is divided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ways {
    /// The resources, `L3`, or `L3CODE` and `L3DATA` where code and data have shares of their own.
    pub resources: Vec<String>,
    /// All ways, a bit each: `cbm_mask`.
    pub all: String,
    /// Fewest ways that a group can have: `min_cbm_bits`.
    pub least: u32,
    /// Ways that devices use too: `shareable_bits`.
    pub shared: String,
}

/// How bandwidth is divided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// The least that a group can have: `min_bandwidth`.
    pub least: u32,
    /// What it grows by: `bandwidth_gran`.
    pub step: u32,
}

/// `None` where the kernel has none, or the processor divides nothing.
pub(super) fn read(root: &Root) -> Option<Resctrl> {
    let known = root
        .text("/proc/filesystems")
        .is_some_and(|text| text.lines().any(|line| line.split_ascii_whitespace().last() == Some("resctrl")));
    let mounted = root.exists(format!("{FOLDER}/schemata"));
    if !mounted {
        return known.then(Resctrl::default);
    }
    let info = |resource: &str, file: &str| root.text(format!("{FOLDER}/info/{resource}/{file}"));
    let number = |resource: &str, file: &str| info(resource, file)?.parse::<u32>().ok();
    let dealt = ["L3", "L3CODE", "L3DATA"].iter().filter(|name| info(name, "cbm_mask").is_some());
    let resources: Vec<String> = dealt.map(|name| (*name).to_owned()).collect();
    let l3 = resources.first().and_then(|first| {
        Some(Ways {
            all: info(first, "cbm_mask")?,
            least: number(first, "min_cbm_bits").unwrap_or(1),
            shared: info(first, "shareable_bits").unwrap_or_else(|| "0".to_owned()),
            resources: resources.clone(),
        })
    });
    let bandwidth = number("MB", "min_bandwidth")
        .map(|least| Bandwidth { least, step: number("MB", "bandwidth_gran").unwrap_or(1).max(1) });
    let closids = resources.iter().map(String::as_str).chain(["MB"]).filter_map(|name| number(name, "num_closids"));
    let folders = root.names(FOLDER).into_iter().chain([String::new()]);
    let groups = folders.filter_map(|name| {
        let text = root.text(format!("{FOLDER}/{name}/schemata"))?;
        Some((name, shares(&text)))
    });
    Some(Resctrl {
        mounted,
        l3,
        bandwidth,
        most_groups: closids.min().unwrap_or_default(),
        domains: domains(root),
        groups: groups.collect(),
    })
}

/// `    L3:0=fffff;1=fffff`
fn shares(text: &str) -> Shares {
    let line = |line: &str| {
        let (resource, values) = line.trim().split_once(':')?;
        let value = |value: &str| {
            let (domain, value) = value.split_once('=')?;
            Some((domain.trim().parse().ok()?, value.trim().to_owned()))
        };
        Some((resource.to_owned(), values.split(';').filter_map(value).collect()))
    };
    text.lines().filter_map(line).collect()
}

fn domains(root: &Root) -> BTreeMap<u32, CpuSet> {
    const CPUS: &str = "/sys/devices/system/cpu";
    let mut domains = BTreeMap::new();
    let numbered = |name: &String| name.strip_prefix("cpu").is_some_and(|number| number.parse::<u32>().is_ok());
    for cpu in root.names(CPUS).into_iter().filter(numbered) {
        for index in root.names(format!("{CPUS}/{cpu}/cache")) {
            let text = |file: &str| root.text(format!("{CPUS}/{cpu}/cache/{index}/{file}"));
            let third = text("level").as_deref() == Some("3");
            let id = text("id").filter(|_| third).and_then(|id| id.parse::<u32>().ok());
            if let (Some(id), Some(Ok(cpus))) = (id, text("shared_cpu_list").map(|list| list.parse::<CpuSet>())) {
                domains.insert(id, cpus);
            }
        }
    }
    domains
}

#[cfg(test)]
mod test {
    use super::{Bandwidth, Resctrl, Ways, read};
    use crate::host::tree::lay_out;

    #[test]
    fn what_is_dealt_out_is_read_by_group_and_cache() {
        let tree = lay_out(&[
            ("/sys/fs/resctrl/schemata", "    MB:0=100;1=100\n    L3:0=fff00;1=fffff\n"),
            ("/sys/fs/resctrl/vmrun-linux/schemata", "    MB:0= 50;1=100\n    L3:0=000ff;1=fffff\n"),
            ("/sys/fs/resctrl/info/L3/cbm_mask", "fffff\n"),
            ("/sys/fs/resctrl/info/L3/min_cbm_bits", "2\n"),
            ("/sys/fs/resctrl/info/L3/shareable_bits", "c0000\n"),
            ("/sys/fs/resctrl/info/L3/num_closids", "16\n"),
            ("/sys/fs/resctrl/info/MB/num_closids", "8\n"),
            ("/sys/fs/resctrl/info/MB/min_bandwidth", "10\n"),
            ("/sys/fs/resctrl/info/MB/bandwidth_gran", "10\n"),
            ("/sys/devices/system/cpu/cpu0/cache/index3/level", "3\n"),
            ("/sys/devices/system/cpu/cpu0/cache/index3/id", "1\n"),
            ("/sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list", "0-3\n"),
        ]);
        let read = read(&tree.root).unwrap();
        let l3 = Ways { resources: vec!["L3".into()], all: "fffff".into(), least: 2, shared: "c0000".into() };
        assert_eq!((read.mounted, read.l3, read.most_groups), (true, Some(l3), 8));
        assert_eq!(read.bandwidth, Some(Bandwidth { least: 10, step: 10 }));
        assert_eq!(read.domains, [(1, "0-3".parse().unwrap())].into());
        assert_eq!(read.groups[""]["L3"], [(0, "fff00".to_owned()), (1, "fffff".to_owned())].into());
        assert_eq!(read.groups["vmrun-linux"]["MB"][&0], "50");
    }

    #[test]
    fn one_that_is_not_mounted_is_told_from_none() {
        let known = lay_out(&[("/proc/filesystems", "nodev\tproc\nnodev\tresctrl\n\text4\n")]);
        assert_eq!(read(&known.root), Some(Resctrl::default()));
        assert_eq!(read(&lay_out(&[("/proc/filesystems", "nodev\tproc\n")]).root), None);
    }
}
