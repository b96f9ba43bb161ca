//! Which thread of QEMU runs where.

use crate::unit::CpuSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the threads of QEMU run. Empty means: wherever the kernel likes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Place of each vCPU, by its index; empty or one for every vCPU.
    pub vcpus: Vec<Placement>,
    /// Place of each iothread, by its id.
    pub iothreads: BTreeMap<String, Placement>,
    /// Host CPUs of every other thread of QEMU, set before exec so that all of them inherit it.
    pub emulator: Option<CpuSet>,
    /// Whether only threads of this QEMU run on the sibling threads of a core while one of them runs; told to the kernel
    /// before exec.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub core_scheduling: bool,
    /// Why these host CPUs, each reason as a sentence; empty when the user chose them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// Host CPUs and scheduling class of one thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Host CPUs it may run on; `None` for all.
    pub cpus: Option<CpuSet>,
    /// Its class.
    pub sched: Sched,
}

/// Scheduling class of a thread; sched(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sched {
    /// As the kernel gives it.
    #[default]
    Normal,
    /// `SCHED_OTHER` with this nice value, -20 to 19.
    Nice(i8),
    /// `SCHED_FIFO` with this priority, 1 to 99.
    Fifo(u8),
}

impl Pins {
    /// The host CPUs of all vCPUs; none when they are not placed.
    #[must_use]
    pub fn guest(&self) -> CpuSet {
        self.vcpus.iter().filter_map(|place| place.cpus.as_ref()).fold(CpuSet::default(), |all, cpus| all.union(cpus))
    }

    /// Whether no thread is placed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { vcpus, iothreads, emulator, core_scheduling, why: _ } = self;
        vcpus.is_empty() && iothreads.is_empty() && emulator.is_none() && !core_scheduling
    }
}
