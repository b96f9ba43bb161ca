//! Puts every thread of QEMU on its host CPUs, and reads back that it is there.
//!
//! vCPUs and iothreads are known by the thread ids that QEMU tells, never by name, and only those of QEMU's own process
//! are touched. All other threads inherited the emulator's mask at exec; they are checked.

mod order;
mod proc;

use super::QemuError;
use super::mask::Mask;
use super::qmp::{Iothread, Vcpu};
use crate::plan::{Pins, Sched};
use crate::unit::CpuSet;
use nix::errno::Errno;
use order::{Order, Place};
use std::fmt;
use std::io;

/// A thread of QEMU and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Its id.
    pub tid: i32,
    /// Its part.
    pub what: Thread,
    /// Host CPUs on which it may run, as the kernel says.
    pub cpus: CpuSet,
    /// Its scheduling class, as far as vmrun set it.
    pub sched: Sched,
    /// Its name, from `comm`. Empty for vCPUs and iothreads, whose part tells more; reading 255 names takes longer
    /// than placing 255 threads.
    pub name: String,
}

/// The part of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thread {
    /// The vCPU with this index.
    Vcpu(u32),
    /// The iothread with this id.
    Iothread(String),
    /// A vhost worker, which moves network packets in the kernel.
    Vhost,
    /// Any other: the main loop, displays, workers.
    Emulator,
}

/// Where the threads of one QEMU are.
#[derive(Debug)]
pub struct Threads {
    pid: u32,
    pinned: Vec<Pinned>,
    /// Masks of vCPUs and iothreads; a thread made by one of them starts with its mask.
    special: Vec<Mask>,
    /// Where threads without a place of their own belong.
    rest: Place,
    watch_vhost: bool,
    /// Host CPUs that were switched off before: who belongs on no others waits elsewhere for [`Threads::place_again`].
    away: CpuSet,
}

/// What QEMU told about its threads.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Its vCPUs, from `query-cpus-fast`.
    pub vcpus: Vec<Vcpu>,
    /// Its iothreads, from `query-iothreads`.
    pub iothreads: Vec<Iothread>,
}

impl Threads {
    /// Places the threads of process `pid` as `pins` says. `vhost` tells whether it was given `/dev/vhost-net`, whose
    /// workers are no threads of QEMU before Linux 6.4.
    ///
    /// A vCPU without a place may run wherever vmrun may; with `pins` empty nothing is touched. The host CPUs `away` are
    /// known to be switched off: a guest that runs is not given up for them, and gets them when they are back.
    ///
    /// # Errors
    /// [`QemuError::Pin`] when a thread is missing, shared (single-threaded TCG runs all vCPUs in one) or not QEMU's,
    /// and when the kernel refuses or gives less than was asked.
    pub fn pin(pid: u32, pins: &Pins, told: &Told, vhost: bool, away: CpuSet) -> Result<Self, QemuError> {
        let home = Mask::read(0).map_err(|errno| failed("QEMU", "vmrun's own host CPUs cannot be read", errno))?.cpus();
        let orders = order::orders(pid, pins, told, &home, proc::is_thread_of)?;
        let mut special: Vec<_> = orders.iter().filter_map(|order| Some(order.place.as_ref()?.mask)).collect();
        special.dedup();
        let mut threads = Self {
            pid,
            pinned: Vec::with_capacity(orders.len()),
            special,
            rest: pins.emulator.clone().unwrap_or(home).into(),
            watch_vhost: vhost && !pins.is_empty(),
            away,
        };
        for order in orders {
            let cpus = order.carry_out(&threads.away)?;
            let Order { tid, what, sched, .. } = order;
            threads.pinned.push(Pinned { tid, what, cpus, sched, name: String::new() });
        }
        // Only now, as one that is born to a vCPU or an iothread has that one's mask.
        threads.place_others(&proc::tasks(pid)?, pins.emulator.is_some())?;
        Ok(threads)
    }

    /// All threads and where they are: vCPUs first, then iothreads, then the rest.
    #[must_use]
    pub fn pinned(&self) -> &[Pinned] {
        &self.pinned
    }

    /// Takes note of threads that are new since, and moves those that inherited the mask of a vCPU or an iothread to
    /// the emulator's host CPUs. Returns the new ones.
    ///
    /// To be called when something happened (an event), not by the clock. A process that has ended has none.
    ///
    /// # Errors
    /// [`QemuError::Pin`] when the kernel refuses.
    pub fn place_newcomers(&mut self) -> Result<Vec<Pinned>, QemuError> {
        let tasks = match proc::tasks(self.pid) {
            // Its last events are heard after its end, and that is told by itself.
            Err(QemuError::Pin { source: Some(source), .. }) if is_gone(&source) => return Ok(Vec::new()),
            tasks => tasks?,
        };
        self.pinned.retain(|thread| thread.what == Thread::Vhost || tasks.binary_search(&thread.tid).is_ok());
        let before = self.pinned.len();
        self.place_others(&tasks, false)?;
        Ok(self.pinned[before..].to_vec())
    }

    /// Puts those threads back whose place holds the host CPU `cpu`, or any without one, and that the kernel lets run
    /// elsewhere since it was switched off. Returns them.
    ///
    /// # Errors
    /// [`QemuError::Pin`] when the kernel refuses.
    pub fn place_again(&mut self, cpu: Option<u32>) -> Result<Vec<Pinned>, QemuError> {
        self.away = cpu.map_or_else(CpuSet::default, |cpu| self.away.without(&CpuSet::of(cpu)));
        let concerned = self.pinned.iter().filter(|thread| cpu.is_none_or(|cpu| thread.cpus.contains(cpu)));
        let mut moved = Vec::new();
        for thread in concerned {
            let Ok(before) = Mask::read(thread.tid) else { continue };
            let now = before.cpus();
            // One that was placed while it was off lacks it.
            if now.without(&thread.cpus).is_empty() && cpu.is_none_or(|cpu| now.contains(cpu)) {
                continue;
            }
            match Mask::of(&thread.cpus).apply(thread.tid) {
                Ok(()) if Mask::read(thread.tid) == Ok(before) => {}
                Ok(()) => moved.push(thread.clone()),
                Err(Errno::ESRCH) => {}
                Err(errno) => {
                    let name = self::thread(&thread.what, thread.tid);
                    return Err(failed(&name, "it cannot be put back in its place", errno));
                }
            }
        }
        Ok(moved)
    }

    /// Places those of `tasks` that have no place yet, and looks again as long as there was one to move: what that one has
    /// started meanwhile has the mask that it had.
    fn place_others(&mut self, tasks: &[i32], all: bool) -> Result<(), QemuError> {
        let mut moved = self.place_rest(tasks, all)?;
        while moved {
            moved = self.place_rest(&proc::tasks(self.pid)?, all)?;
        }
        Ok(())
    }

    /// Places those of `tasks`, and vhost workers, that have no place yet, and says whether one was moved. `all` moves any
    /// that is elsewhere, otherwise only those that inherited a mask are moved: one that somebody placed by hand stays there.
    fn place_rest(&mut self, tasks: &[i32], all: bool) -> Result<bool, QemuError> {
        let mut known = self.pinned.iter().map(|thread| thread.tid).collect::<Vec<_>>();
        known.sort_unstable();
        let workers = if self.watch_vhost { proc::vhost_workers(self.pid)? } else { Vec::new() };
        let new = tasks.iter().chain(&workers).filter(|tid| known.binary_search(tid).is_err());
        let mut moved = false;
        for &tid in new {
            let name = proc::name(self.pid, tid);
            let vhost = workers.contains(&tid) || name == proc::vhost_name(self.pid);
            let what = if vhost { Thread::Vhost } else { Thread::Emulator };
            if let Some(Settled { cpus, moved: this }) = self.settle(tid, &what, all || vhost)? {
                moved |= this;
                self.pinned.push(Pinned { tid, what, cpus, sched: Sched::Normal, name });
            }
        }
        Ok(moved)
    }

    /// Where `tid` is in the end; `None` when it has ended.
    fn settle(&self, tid: i32, what: &Thread, force: bool) -> Result<Option<Settled>, QemuError> {
        let now = match Mask::read(tid) {
            Err(Errno::ESRCH) => return Ok(None),
            now => now.map_err(|errno| failed(&thread(what, tid), "its host CPUs cannot be read", errno))?,
        };
        if now == self.rest.mask {
            return Ok(Some(Settled { cpus: self.rest.cpus.clone(), moved: false }));
        }
        if !force && !self.special.contains(&now) {
            return Ok(Some(Settled { cpus: now.cpus(), moved: false }));
        }
        if *what == Thread::Emulator {
            proc::rejoin(self.pid, tid);
        }
        let order = Order { tid, what: what.clone(), place: Some(self.rest.clone()), sched: Sched::Normal };
        match order.carry_out(&self.away) {
            Err(QemuError::Pin { source: Some(source), .. }) if is_gone(&source) => Ok(None),
            placed => placed.map(|cpus| Some(Settled { cpus, moved: true })),
        }
    }
}

/// A thread that has its place.
struct Settled {
    cpus: CpuSet,
    /// Whether it was elsewhere before.
    moved: bool,
}

/// Whether `thread` is still where it was; one that has ended is nowhere else. One that is no vCPU may have lost host CPUs
/// to the partition of another guest.
#[must_use]
pub fn is_in_place(thread: &Pinned) -> bool {
    let fewer = matches!(thread.what, Thread::Emulator | Thread::Vhost);
    Mask::read(thread.tid)
        .map_or(true, |now| now == Mask::of(&thread.cpus) || fewer && now.cpus().without(&thread.cpus).is_empty())
}

/// Keeps the calling thread, and those that it starts from now on, off the host CPUs `cpus`; where there are no others it
/// stays where it is.
pub fn stay_off(cpus: &CpuSet) {
    let Ok(now) = Mask::read(0) else { return };
    let rest = now.cpus().without(cpus);
    if !rest.is_empty() {
        // It is a courtesy: whoever may not, watches from where it is.
        let _ = Mask::of(&rest).apply(0);
    }
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vcpu(index) => write!(f, "vCPU {index}"),
            Self::Iothread(id) => write!(f, "iothread {id}"),
            Self::Vhost => f.write_str("a vhost worker"),
            Self::Emulator => f.write_str("a thread of QEMU"),
        }
    }
}

/// Whether the kernel knows no such thread, or `/proc` no such process.
fn is_gone(error: &io::Error) -> bool {
    [Errno::ESRCH, Errno::ENOENT].iter().any(|errno| error.raw_os_error() == Some(*errno as i32))
}

fn thread(what: &Thread, tid: i32) -> String {
    format!("{what} (thread {tid})")
}

fn failed(thread: &str, why: &str, source: impl Into<io::Error>) -> QemuError {
    QemuError::Pin { thread: thread.to_owned(), why: why.to_owned(), source: Some(source.into()) }
}

fn refused(thread: String, why: String) -> QemuError {
    QemuError::Pin { thread, why, source: None }
}
