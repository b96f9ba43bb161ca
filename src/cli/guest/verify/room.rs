//! Whether the host's processes are kept off the guest's host CPUs.

use super::{Finding, Mark, Roles};
use crate::host::Root;
use crate::plan::{CONTROL_GROUPS, Change, Contents, Room};
use crate::unit::CpuSet;

pub(super) fn judge(root: &Root, pid: u32, plan: &Contents, roles: &Roles) -> Vec<Finding> {
    let Some(Room { cpus, partition, .. }) = &plan.room else { return Vec::new() };
    let mut findings: Vec<_> =
        plan.changes.iter().flat_map(confined).filter_map(|unit| open(root, &unit, cpus)).collect();
    if findings.is_empty() {
        findings.push(Finding::new(Mark::Ok, "host", format!("its processes are kept off host CPUs {cpus}")));
    }
    if partition.is_some() {
        let groups = roles.vcpus().filter_map(|tid| group(root, pid, tid));
        findings.extend(groups.map(|group| alone(root, &group)).max_by_key(|finding| finding.mark as u8));
    }
    findings
}

/// The units, or control groups, that a change confines.
fn confined(change: &Change) -> Vec<String> {
    match change {
        Change::Slices { units, .. } | Change::Gather { groups: units, .. } => {
            units.iter().map(|it| it.unit.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// A group whose processes may run on `cpus` although they are the guest's.
fn open(root: &Root, unit: &str, cpus: &CpuSet) -> Option<Finding> {
    let folder = if unit.starts_with('/') { unit.to_owned() } else { format!("{CONTROL_GROUPS}/{unit}") };
    let now: CpuSet = root.text(format!("{folder}/cpuset.cpus.effective"))?.parse().ok()?;
    let both = now.and(cpus);
    if both.is_empty() {
        return None;
    }
    let fix = match unit.starts_with('/') {
        true => format!("echo {} | sudo tee {unit}/cpuset.cpus", now.without(cpus)),
        false => format!("sudo systemctl set-property --runtime {unit} AllowedCPUs={}", now.without(cpus)),
    };
    Some(
        Finding::new(Mark::Wrong, "host", format!("processes of {unit} may run on {both}, which are the guest's"))
            .fix(fix),
    )
}

/// The control group of a thread.
fn group(root: &Root, pid: u32, tid: u32) -> Option<String> {
    let line = root.line(format!("/proc/{pid}/task/{tid}/cgroup"), "0::")?;
    Some(format!("{CONTROL_GROUPS}{}", line.strip_prefix("0::")?.trim_end()))
}

/// What the kernel says of the partition of the vCPUs; `isolated invalid (…)` for one that holds no more.
fn alone(root: &Root, group: &str) -> Finding {
    let about = "partition";
    let cpus = root.text(format!("{group}/cpuset.cpus.effective")).unwrap_or_default();
    match root.text(format!("{group}/cpuset.cpus.partition")).as_deref() {
        Some(kind @ ("isolated" | "root")) => {
            Finding::new(Mark::Ok, about, format!("host CPUs {cpus} are the vCPUs' alone ({kind})"))
        }
        Some(other) if other.contains("invalid") => {
            Finding::new(Mark::Wrong, about, format!("the kernel gave it up: {other}"))
                .fix("another control group wants its host CPUs; start the guest anew")
        }
        _ => Finding::new(Mark::Ok, about, "none, as the start said"),
    }
}

#[cfg(test)]
mod test {
    use super::{Mark, alone, open};
    use crate::host::tree::lay_out;

    #[test]
    fn a_slice_that_was_opened_and_a_partition_that_is_gone_are_wrong() {
        let tree = lay_out(&[
            ("/sys/fs/cgroup/system.slice/cpuset.cpus.effective", "0-3\n"),
            ("/sys/fs/cgroup/user.slice/cpuset.cpus.effective", "0-1\n"),
            ("/sys/fs/cgroup/a/cpuset.cpus.partition", "isolated\n"),
            ("/sys/fs/cgroup/a/cpuset.cpus.effective", "2-3\n"),
            ("/sys/fs/cgroup/b/cpuset.cpus.partition", "isolated invalid (Cpu list in cpuset.cpus not exclusive)\n"),
        ]);
        let guest = "2-3".parse().unwrap();
        let wrong = open(&tree.root, "system.slice", &guest).unwrap();
        assert_eq!((wrong.mark, wrong.fix.ends_with("AllowedCPUs=0-1")), (Mark::Wrong, true));
        assert_eq!(open(&tree.root, "user.slice", &guest), None);
        let marks = ["a", "b", "gone"].map(|group| alone(&tree.root, &format!("/sys/fs/cgroup/{group}")).mark);
        assert_eq!(marks, [Mark::Ok, Mark::Wrong, Mark::Ok]);
    }
}
