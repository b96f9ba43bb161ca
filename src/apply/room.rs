//! The control group that QEMU is moved into, and the partition in it where its vCPUs are alone.
//!
//! Linux: `Documentation/admin-guide/cgroup-v2.rst`, "Threads" and "Cpuset". A partition takes its host CPUs from all other
//! groups at once; the kernel makes one below the root, and since 6.7 also below a group that is none. Without systemd the
//! vCPUs' group is at the root, and QEMU's other threads are in the root itself, which is their domain. Below systemd QEMU
//! is in a scope, and the group is in that.

use super::ApplyError;
use super::step::run_to_end;
use crate::host::Root;
use crate::plan::{CONTROL_GROUPS, Command, Home, Partition, Room};
use std::fs;
use std::io;

/// Where QEMU is.
#[derive(Debug)]
pub struct Entered {
    pid: u32,
    /// Its scope, or the group that one of the plan's changes made.
    group: Group,
    partition: Option<Partition>,
    cpus: String,
}

#[derive(Debug)]
enum Group {
    Scope(String),
    Own(String),
}

/// Moves process `pid` into `room`. Its host CPUs are not its vCPUs' alone yet: while QEMU starts, the threads that touch
/// the guest's memory run on them.
///
/// A QEMU that was started from a login shell is below `user.slice`, and would be cut off from its host CPUs with it.
///
/// # Errors
/// When systemd or the kernel refuses; the process is where it was then.
pub async fn enter_room(root: &Root, room: &Room, pid: u32) -> Result<Entered, ApplyError> {
    let Room { home, cpus, partition } = room;
    let group = match home {
        Home::Scope(name) => {
            let unit = format!("{name}-{pid}.scope");
            enter_scope(&unit, pid).await?;
            Group::Scope(format!("{CONTROL_GROUPS}/{unit}"))
        }
        Home::Group(group) => {
            // After a cold reboot it is a partition still.
            renew(root, group).map_err(ApplyError::io("make anew", group))?;
            let domain = if partition.is_some() { CONTROL_GROUPS } else { group };
            enter(root, domain, pid)?;
            Group::Own(group.clone())
        }
    };
    Ok(Entered { pid, group, partition: *partition, cpus: cpus.to_string() })
}

impl Entered {
    /// Makes the partition and moves the vCPU threads `tids` into it; says what became of it, `None` when none was
    /// wanted. That there is none is no error.
    ///
    /// # Errors
    /// When the kernel does not take a thread.
    pub fn seclude(&self, root: &Root, tids: &[i32]) -> Result<Option<String>, ApplyError> {
        let Some(kind) = self.partition else { return Ok(None) };
        let group = match self.divide(root, kind)? {
            Ok(group) => group,
            Err(why) => {
                return Ok(Some(format!(
                    "the vCPUs have no partition of host CPUs, {why}; the host keeps off all the same"
                )));
            }
        };
        let path = format!("{group}/cgroup.threads");
        for tid in tids {
            write(root, &path, &tid.to_string()).map_err(ApplyError::io("move a vCPU to", &path))?;
        }
        Ok(Some(format!("host CPUs {} are a partition of the vCPUs' own ({})", self.cpus, kind.word())))
    }

    /// The group that is the partition, or why there is none; QEMU is in an ordinary group then.
    fn divide(&self, root: &Root, kind: Partition) -> Result<Result<String, String>, ApplyError> {
        match &self.group {
            Group::Scope(scope) => Ok(below(root, scope, &self.cpus, kind)),
            Group::Own(group) => match divided(root, group, &self.cpus, kind) {
                Ok(()) => Ok(Ok(group.clone())),
                Err(why) => {
                    renew(root, group).map_err(ApplyError::io("make anew", group))?;
                    enter(root, group, self.pid)?;
                    Ok(Err(why))
                }
            },
        }
    }
}

/// Moves process `pid` into `group`.
fn enter(root: &Root, group: &str, pid: u32) -> Result<(), ApplyError> {
    let path = format!("{group}/cgroup.procs");
    write(root, &path, &pid.to_string()).map_err(ApplyError::io("move QEMU to", path))
}

/// Makes the empty group `group` a partition for threads of processes at the root.
fn divided(root: &Root, group: &str, cpus: &str, kind: Partition) -> Result<(), String> {
    let told = [("cgroup.type", "threaded"), ("cpuset.cpus", cpus), ("cpuset.cpus.partition", kind.word())];
    for (file, value) in told {
        write(root, &format!("{group}/{file}"), value)
            .map_err(|error| format!("as the kernel refuses {file}: {error}"))?;
    }
    stands(root, group, kind)
}

/// Makes a partition for threads of the process in `scope`, of which that is no part.
fn below(root: &Root, scope: &str, cpus: &str, kind: Partition) -> Result<String, String> {
    if !root.exists(format!("{scope}/cpuset.cpus.exclusive")) {
        return Err("as a kernel before 6.7 makes none below a scope of systemd".into());
    }
    let group = format!("{scope}/vcpus");
    let made = fs::create_dir(root.resolve(&group)).map_err(|error| format!("as it cannot be made: {error}"));
    let told = [
        (format!("{group}/cgroup.type"), "threaded"),
        (format!("{scope}/cgroup.subtree_control"), "+cpuset"),
        (format!("{scope}/cpuset.cpus.exclusive"), cpus),
        (format!("{group}/cpuset.cpus"), cpus),
        (format!("{group}/cpuset.cpus.exclusive"), cpus),
        (format!("{group}/cpuset.cpus.partition"), kind.word()),
    ];
    let told = made.and_then(|()| {
        told.iter().try_for_each(|(path, value)| {
            let file = path.rsplit('/').next().unwrap_or(path);
            write(root, path, value).map_err(|error| format!("as the kernel refuses {file}: {error}"))
        })
    });
    if let Err(why) = told.and_then(|()| stands(root, &group, kind)) {
        // An empty group that stays is gone with the scope.
        let _ = fs::remove_dir(root.resolve(&group));
        return Err(why);
    }
    Ok(group)
}

/// The kernel takes the word, and then says whether it holds: `isolated invalid (Cpu list in cpuset.cpus not exclusive)`.
fn stands(root: &Root, group: &str, kind: Partition) -> Result<(), String> {
    match root.text(format!("{group}/cpuset.cpus.partition")) {
        Some(text) if text == kind.word() => Ok(()),
        found => Err(format!("as the kernel says `{}`", found.unwrap_or_default())),
    }
}

/// A group that is a partition, or threaded, becomes an ordinary one.
fn renew(root: &Root, group: &str) -> io::Result<()> {
    let path = root.resolve(group);
    fs::remove_dir(&path)?;
    fs::create_dir(&path)
}

fn write(root: &Root, path: &str, value: &str) -> io::Result<()> {
    fs::write(root.resolve(path), value)
}

/// Moves process `pid` into the new scope `unit` at the root of all slices, so that no slice confines it.
///
/// The scope ends with the process: there is nothing to undo. Its name ends in the number of the process, since systemd may
/// not have forgotten yet the one that the same guest had before a cold reboot. What is below it is not systemd's affair.
/// systemd: `StartTransientUnit`, org.freedesktop.systemd1(5); `Delegate=`, systemd.resource-control(5).
async fn enter_scope(unit: &str, pid: u32) -> Result<(), ApplyError> {
    let pid = pid.to_string();
    let call = [
        "busctl",
        "--quiet",
        "--",
        "call",
        "org.freedesktop.systemd1",
        "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager",
        "StartTransientUnit",
        "ssa(sv)a(sa(sv))",
        unit,
        "fail",
        "4",
        "PIDs",
        "au",
        "1",
        &pid,
        "Slice",
        "s",
        "-.slice",
        "CollectMode",
        "s",
        "inactive-or-failed",
        "DelegateControllers",
        "as",
        "1",
        "cpuset",
        "0",
    ];
    run_to_end(&command(&call)).await?;
    // Joins the job that the call has begun, and ends with it.
    run_to_end(&command(&["systemctl", "--quiet", "start", "--", unit])).await
}

fn command(words: &[&str]) -> Command {
    Command { argv: words.iter().map(|word| (*word).to_owned()).collect(), ..Command::default() }
}
