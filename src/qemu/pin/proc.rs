//! What `/proc` tells about threads.

use super::{QemuError, failed};
use crate::plan::CONTROL_GROUPS;
use nix::errno::Errno;
use nix::libc;
use std::fs;

/// Ids of the threads of process `pid`, ascending.
pub(super) fn tasks(pid: u32) -> Result<Vec<i32>, QemuError> {
    numbers(&format!("/proc/{pid}/task"))
}

/// Whether `tid` is a thread of process `pid`: whether it stands below its `/proc/PID/task`, without having the kernel make
/// an inode for each thread that does; `tgkill(2)`.
pub(super) fn is_thread_of(pid: u32, tid: i32) -> bool {
    // A pid is positive and below 2^22; `proc_sys_kernel(5)`, pid_max.
    let process = pid.cast_signed();
    // SAFETY: plain numbers; signal 0 is none, and is only looked at whether it could be sent.
    #[allow(unsafe_code)]
    let status = unsafe { libc::tgkill(process, tid, 0) };
    // Who may not signal it is told so after it was found (do_send_specific, kernel/signal.c).
    status == 0 || Errno::last() == Errno::EPERM
}

/// Name of thread `tid`; empty when it has ended. A kernel thread of its own is found by its id alone.
pub(super) fn name(pid: u32, tid: i32) -> String {
    let comm = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).or_else(|_| comm_of_process(tid));
    comm.map_or_else(|_| String::new(), |comm| comm.trim_end().to_owned())
}

/// Name of the vhost workers of process `pid`. Linux: `vhost_task_create`, `drivers/vhost/vhost.c`.
pub(super) fn vhost_name(pid: u32) -> String {
    format!("vhost-{pid}")
}

/// The vhost workers of process `pid` that are kernel threads of their own, as they are before Linux 6.4.
pub(super) fn vhost_workers(pid: u32) -> Result<Vec<i32>, QemuError> {
    let name = vhost_name(pid);
    let mut all = numbers("/proc")?;
    all.retain(|&process| comm_of_process(process).is_ok_and(|comm| comm.trim_end() == name));
    Ok(all)
}

fn comm_of_process(process: i32) -> std::io::Result<String> {
    fs::read_to_string(format!("/proc/{process}/comm"))
}

/// The entries of `folder` that are numbers, ascending.
fn numbers(folder: &str) -> Result<Vec<i32>, QemuError> {
    let entries = fs::read_dir(folder).map_err(|source| failed("QEMU", &format!("{folder} cannot be read"), source))?;
    let mut numbers =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect::<Vec<i32>>();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Moves thread `tid` to the control group of its process `pid`: one that a vCPU made is born in that of the vCPUs, where
/// no other host CPUs are to be had. What that refuses shows when the thread is placed.
pub(super) fn rejoin(pid: u32, tid: i32) {
    let group = |folder: &str| {
        let text = fs::read_to_string(format!("{folder}/cgroup")).ok()?;
        // Of version 2; `cgroups(7)`.
        text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
    };
    let (home, its) = (group(&format!("/proc/{pid}")), group(&format!("/proc/{pid}/task/{tid}")));
    if let (Some(home), Some(its)) = (home, its)
        && home != its
    {
        let _ = fs::write(format!("{CONTROL_GROUPS}{home}/cgroup.threads"), tid.to_string());
    }
}
