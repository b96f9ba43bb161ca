//! Which process a number stands for: a number alone is given out again, so the start time belongs to it.

use crate::unit::Size;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

/// A process that can be recognised later, within one boot of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The kernel's number.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine did; field 22 of `/proc/PID/stat`, `proc_pid_stat(5)`.
    pub start_ticks: u64,
}

impl ProcessId {
    /// The process with the number `pid`, as it is now; `None` when there is none.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        read(&path(pid)).map(|stat| Self { pid, start_ticks: stat.start_ticks })
    }

    /// The process that has the thread `tid`; `None` when there is none. `proc_pid_status(5)`.
    #[must_use]
    pub fn of_thread(tid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
        Self::of(line.trim().parse().ok()?)
    }

    /// Whether this process is there and has not ended. A zombie has ended, unless a thread of it still runs: then
    /// its pidfd says so.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self.open().is_some_and(|pidfd| !has_ended(&pidfd))
    }

    /// Sends SIGKILL to this process and says whether it was there. Another process that has got the number is left
    /// alone: the pidfd is opened first, then the start time compared.
    ///
    /// # Errors
    /// When the kernel refuses, like `EPERM` for a process of another user.
    pub fn kill_recorded(self) -> io::Result<bool> {
        let Some(pidfd) = self.open() else { return Ok(false) };
        match pidfd_send_signal(&pidfd, Signal::KILL) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What it has done so far, in clock ticks on a CPU and pages in memory: equal twice, it did nothing between. `None`
    /// when it is gone.
    #[must_use]
    pub fn done(self) -> Option<(u64, u64)> {
        let stat = read(&path(self.pid))?;
        (stat.start_ticks == self.start_ticks).then_some((stat.cpu_ticks, stat.pages))
    }

    /// Memory that it has touched, with its huge pages, which the kernel counts by themselves; `None` when it is gone.
    /// `VmRSS` and `HugetlbPages`, `proc_pid_status(5)`.
    #[must_use]
    pub fn memory(self) -> Option<Size> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let kib = touched(&status)?;
        (Self::of(self.pid) == Some(self)).then(|| Size::from_bytes(kib << 10))
    }

    /// A descriptor for this very process, which becomes readable when it has ended; `None` when it is gone.
    #[must_use]
    pub fn open(self) -> Option<OwnedFd> {
        let pidfd = open(self.pid).ok()?;
        (Self::of(self.pid) == Some(self)).then_some(pidfd)
    }
}

/// A pidfd, which becomes readable when the process with all its threads has ended. Linux 5.3; `pidfd_open(2)`.
pub(super) fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Whether the process of `pidfd` has ended with all its threads.
pub(super) fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut polled = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(pidfd), nix::poll::PollFlags::POLLIN)];
    nix::poll::poll(&mut polled, nix::poll::PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// What vmrun needs of `/proc/PID/stat`.
pub(super) struct Stat {
    pub(super) group: i32,
    pub(super) start_ticks: u64,
    /// Of all threads, their own work and the kernel's for them.
    cpu_ticks: u64,
    /// In memory.
    pages: u64,
}

pub(super) fn path(pid: u32) -> std::path::PathBuf {
    format!("/proc/{pid}/stat").into()
}

pub(super) fn read(path: &Path) -> Option<Stat> {
    parse(&fs::read(path).ok()?)
}

/// User id of process `pid`; `None` when it is gone.
pub(super) fn owner(pid: u32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(format!("/proc/{pid}")).ok().map(|meta| meta.uid())
}

/// The name of the program, field 2, may hold blanks, brackets and any byte; the last bracket ends it.
fn parse(stat: &[u8]) -> Option<Stat> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    let count = |number: usize| field(number)?.parse::<u64>().ok();
    Some(Stat {
        group: field(5)?.parse().ok()?,
        start_ticks: count(22)?,
        cpu_ticks: count(14)?.saturating_add(count(15)?),
        pages: count(24)?,
    })
}

/// In KiB.
fn touched(status: &str) -> Option<u64> {
    let kib = |key: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(key))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    Some(kib("VmRSS:")? + kib("HugetlbPages:").unwrap_or(0))
}

#[cfg(test)]
mod test {
    use super::{ProcessId, parse, touched};
    use std::process::{Child, Command, Stdio};

    fn waiting() -> Child {
        Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn a_name_with_brackets_and_bytes_does_not_move_the_fields() {
        let stat = parse(b"7 (x) \xff S 9) Z 1 70 7 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 4711 0 99").unwrap();
        assert_eq!((stat.group, stat.start_ticks, stat.cpu_ticks, stat.pages), (70, 4711, 42, 99));
    }

    #[test]
    fn a_process_with_the_number_but_another_start_is_left_alone() {
        let mut child = waiting();
        let recorded = ProcessId::of(child.id()).unwrap();
        let other = ProcessId { start_ticks: recorded.start_ticks + 1, ..recorded };
        assert!(!other.is_alive());
        assert!(!other.kill_recorded().unwrap());
        assert!(recorded.is_alive());
        assert!(recorded.kill_recorded().unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_thread_tells_its_process() {
        let own = ProcessId::of(std::process::id());
        let found = std::thread::spawn(|| {
            let tid = u32::try_from(nix::unistd::gettid().as_raw()).unwrap();
            (tid, ProcessId::of_thread(tid))
        });
        let (tid, found) = found.join().unwrap();
        assert_ne!(tid, std::process::id());
        assert_eq!(found, own);
        assert_eq!(ProcessId::of_thread(u32::MAX), None);
    }

    #[test]
    fn huge_pages_are_memory_too() {
        let status = "VmPeak:\t    9000 kB\nVmRSS:\t    4100 kB\nHugetlbPages:\t    2048 kB\n";
        assert_eq!(touched(status), Some(6148));
        assert_eq!(touched("Name:\tkthreadd\n"), None);
        let own = ProcessId::of(std::process::id()).unwrap();
        assert!(own.memory().unwrap().bytes() > 1 << 20);
        assert_eq!(ProcessId { start_ticks: own.start_ticks + 1, ..own }.memory(), None);
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = waiting();
        let recorded = ProcessId::of(child.id()).unwrap();
        child.kill().unwrap();
        let pidfd = super::open(child.id()).unwrap();
        let mut polled = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&pidfd), nix::poll::PollFlags::POLLIN)];
        while nix::poll::poll(&mut polled, nix::poll::PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
        assert!(!recorded.is_alive());
        child.wait().unwrap();
        assert!(!recorded.kill_recorded().unwrap());
    }
}
