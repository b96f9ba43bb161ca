//! Affinity masks as the kernel has them.

use crate::unit::CpuSet;
use nix::errno::Errno;
use nix::sched::{CpuSet as KernelSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// A set of host CPUs in the kernel's form; cheap to copy and to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mask(KernelSet);

impl Mask {
    /// The mask of `cpus`.
    pub(super) fn of(cpus: &CpuSet) -> Self {
        let mut mask = KernelSet::new();
        for cpu in cpus.iter() {
            // A `CpuSet` holds no number that the mask cannot.
            let _ = mask.set(cpu as usize);
        }
        Self(mask)
    }

    /// Where thread `tid` may run; 0 is the calling thread.
    pub(super) fn read(tid: i32) -> Result<Self, Errno> {
        sched_getaffinity(Pid::from_raw(tid)).map(Self)
    }

    /// Lets thread `tid` run here only; 0 is the calling thread. The kernel drops CPUs that are offline or not
    /// allowed to the process without a word, so read back.
    pub(super) fn apply(self, tid: i32) -> Result<(), Errno> {
        sched_setaffinity(Pid::from_raw(tid), &self.0)
    }

    /// The host CPUs in it.
    pub(super) fn cpus(self) -> CpuSet {
        let within = |&cpu: &u32| self.0.is_set(cpu as usize).unwrap_or(false);
        (0..u32::try_from(KernelSet::count()).unwrap_or(u32::MAX)).filter(within).collect()
    }
}
