//! Control groups of a host without systemd. Linux: `Documentation/admin-guide/cgroup-v2.rst`.

use crate::apply::ApplyError;
use crate::host::Root;
use crate::plan::CONTROL_GROUPS;
use crate::unit::CpuSet;
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;

/// `PF_KTHREAD` of a process's flags, field 9 of `proc_pid_stat(5)`; Linux `include/linux/sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Moves all processes at the root of the groups into the group `into`, which is made when it is not there.
pub(super) fn gather(root: &Root, into: &str) -> Result<(), ApplyError> {
    write(root, &format!("{CONTROL_GROUPS}/cgroup.subtree_control"), "+cpuset")?;
    make(root, into)?;
    move_all(root, CONTROL_GROUPS, into)
}

/// Moves the processes of group `from` back and removes it, unless it is confined still: then another guest wants it.
pub(super) fn disperse(root: &Root, from: &str, all: &CpuSet, controller: bool) -> Result<(), ApplyError> {
    if !root.exists(format!("{from}/cgroup.procs")) {
        return Ok(());
    }
    let confined = |group: &str| {
        let cpus: Option<CpuSet> = root.text(format!("{group}/cpuset.cpus")).and_then(|text| text.parse().ok());
        cpus.is_some_and(|cpus| !cpus.is_empty() && !all.without(&cpus).is_empty())
    };
    if confined(from) {
        return Ok(());
    }
    move_all(root, from, CONTROL_GROUPS)?;
    remove(root, from)?;
    let others = root.names(CONTROL_GROUPS);
    if controller || others.iter().any(|name| confined(&format!("{CONTROL_GROUPS}/{name}"))) {
        return Ok(());
    }
    write(root, &format!("{CONTROL_GROUPS}/cgroup.subtree_control"), "-cpuset")
}

/// Moves all processes of group `from` to group `to`. What a process starts before it is moved stays behind, so there is
/// another look until nothing is new.
fn move_all(root: &Root, from: &str, to: &str) -> Result<(), ApplyError> {
    let mut seen = BTreeSet::new();
    loop {
        let text = root.text(format!("{from}/cgroup.procs")).unwrap_or_default();
        let pids = text.lines().filter_map(|line| line.parse().ok());
        let new: Vec<u32> = pids.filter(|pid| !seen.contains(pid) && is_moved(root, *pid)).collect();
        if new.is_empty() {
            return Ok(());
        }
        for pid in &new {
            let path = format!("{to}/cgroup.procs");
            match fs::write(root.resolve(&path), pid.to_string()) {
                // It has ended.
                Err(error) if error.raw_os_error() != Some(Errno::ESRCH as i32) => {
                    return Err(ApplyError::io("move a process to", path)(error));
                }
                _ => {}
            }
        }
        seen.extend(new);
    }
}

/// Whether process `pid` is one of the host's: no thread of the kernel, most of which are bound to where they are, and no
/// guest that has vCPUs in a group of their own.
fn is_moved(root: &Root, pid: u32) -> bool {
    let Some(stat) = root.text(format!("/proc/{pid}/stat")) else { return false };
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(9 - 3)?.parse().ok());
    let group = |folder: String| root.text(format!("{folder}/cgroup"));
    let own = group(format!("/proc/{pid}"));
    let threads = root.names(format!("/proc/{pid}/task"));
    flags.is_some_and(|flags: u32| flags & KERNEL_THREAD == 0)
        && threads.iter().all(|tid| group(format!("/proc/{pid}/task/{tid}")).is_none_or(|group| Some(group) == own))
}

/// Confines a group to `cpus`; empty for `all`.
pub(super) fn set_cpus(root: &Root, group: &str, cpus: &str, all: &CpuSet) -> Result<(), ApplyError> {
    let path = format!("{group}/cpuset.cpus");
    if !cpus.is_empty() {
        return write(root, &path, cpus);
    }
    // Of a group with processes an older kernel does not take back that it was confined; to all is the same.
    write(root, &path, "\n").or_else(|_| write(root, &path, &all.to_string()))
}

/// Makes a group unless it is there.
pub(super) fn make(root: &Root, path: &str) -> Result<(), ApplyError> {
    match fs::create_dir(root.resolve(path)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(ApplyError::io("make", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a group that nobody is in, unless it is gone.
pub(super) fn remove(root: &Root, path: &str) -> Result<(), ApplyError> {
    match fs::remove_dir(root.resolve(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ApplyError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn write(root: &Root, path: &str, value: &str) -> Result<(), ApplyError> {
    fs::write(root.resolve(path), value).map_err(ApplyError::io("write", path))
}
