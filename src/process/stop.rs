//! Ends a process group, and waits until all of it has ended.

use super::watched::watched;
use super::{ProcessId, stat};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::fd::OwnedFd;
use std::fs;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

/// How long a process gets to end after SIGKILL; longer, and it is in uninterruptible sleep.
const AFTER_KILL: Duration = Duration::from_secs(5);

impl ProcessId {
    /// Ends the group that this recorded process leads: SIGTERM, `grace`, SIGKILL. `false`, and nothing is signalled,
    /// when the process is gone: then nobody can say whose the number of the group is now.
    pub async fn stop_recorded(self, grace: Duration) -> bool {
        let Some(_pidfd) = self.open() else { return false };
        let Some(group) = group_led_by(self.pid) else { return false };
        end_group(group, grace).await;
        true
    }

    /// Waits until this recorded process has ended with all its threads, `limit` at most; signals nothing.
    pub async fn ended_within(self, limit: Duration) {
        if let Some(Ok(pidfd)) = self.open().map(watched) {
            let _stuck = timeout(limit, ended(&pidfd)).await;
        }
    }
}

/// The group that `pid` leads; `None` when it leads none.
fn group_led_by(pid: u32) -> Option<Pid> {
    let stat = stat::read(&stat::path(pid))?;
    (u32::try_from(stat.group) == Ok(pid)).then(|| Pid::from_raw(stat.group))
}

/// SIGTERM to `group`, then SIGKILL when anything of it is left after `grace`. A stopped process is continued, since
/// it could not take the SIGTERM.
pub(super) async fn end_group(group: Pid, grace: Duration) {
    signal_group(group, Signal::SIGTERM);
    signal_group(group, Signal::SIGCONT);
    if timeout(grace, group_gone(group)).await.is_err() {
        signal_group(group, Signal::SIGKILL);
        let _stuck = timeout(AFTER_KILL, group_gone(group)).await;
    }
}

/// The group's number cannot be another group's as long as its leader was not waited for, or a member is left.
pub(super) fn signal_group(group: Pid, signal: Signal) {
    // A group that has ended meanwhile (ESRCH) is what the signal was for.
    let _gone = killpg(group, signal);
}

/// Resolves when nothing of `group` runs. Each look is caused by the end of a process, so that a member that forked
/// meanwhile is seen in the next one.
async fn group_gone(group: Pid) {
    loop {
        let members = members(group);
        if members.is_empty() {
            return;
        }
        for member in members {
            ended(&member).await;
        }
    }
}

/// Waits for the end that a pidfd tells.
pub(super) async fn ended(pidfd: &AsyncFd<OwnedFd>) {
    // An error would mean that the runtime is being torn down; then there is nobody left to tell.
    let _ready = pidfd.ready(Interest::READABLE).await;
}

/// The members of `group` that have not ended, each held by a pidfd.
fn members(group: Pid) -> Vec<AsyncFd<OwnedFd>> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_in(*pid, group)).filter_map(|pid| hold(pid, group)).collect()
}

/// A member held by a pidfd. Looked at again, since the number may have been given out anew before it was held. Only
/// the pidfd tells whether it has ended: a process whose main thread is a zombie still holds its files, and their
/// locks, as long as another thread of it is on its way out.
fn hold(pid: u32, group: Pid) -> Option<AsyncFd<OwnedFd>> {
    let pidfd = stat::open(pid).ok()?;
    if stat::has_ended(&pidfd) || !is_in(pid, group) {
        return None;
    }
    watched(pidfd).ok()
}

fn is_in(pid: u32, group: Pid) -> bool {
    stat::read(&stat::path(pid)).is_some_and(|stat| stat.group == group.as_raw())
}

#[cfg(test)]
mod test {
    use super::{end_group, members};
    use nix::unistd::Pid;
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    /// Its main thread has ended, another one waits.
    const HEADLESS: &str = "import ctypes, threading, time\n\
        threading.Thread(target=lambda: (time.sleep(0.2), print(flush=True), time.sleep(600))).start()\n\
        ctypes.CDLL(None).syscall(60, 0)";

    #[tokio::test]
    async fn a_process_without_its_main_thread_has_not_ended() {
        let mut python = Command::new("python3");
        let mut child = python.args(["-c", HEADLESS]).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let group = Pid::from_raw(child.id().cast_signed());
        let stat = std::fs::read_to_string(super::stat::path(child.id())).unwrap();
        assert!(stat.contains(") Z "), "{stat}");
        assert_eq!(members(group).len(), 1);
        end_group(group, Duration::from_secs(60)).await;
        assert!(members(group).is_empty());
        child.wait().unwrap();
    }
}
