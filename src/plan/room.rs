//! Where QEMU is put among the control groups of a host whose own processes are kept off the guest's host CPUs.

use crate::unit::CpuSet;
use serde::{Deserialize, Serialize};

/// A place that does not confine QEMU with the host's processes, and one in it for the vCPUs alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Whose place it is.
    pub home: Home,
    /// The guest's host CPUs.
    pub cpus: CpuSet,
    /// What is asked of the kernel for the vCPUs; `None` when other threads of QEMU run on their host CPUs.
    pub partition: Option<Partition>,
}

/// Whose place it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// A scope of systemd beside its slices; the start of its name, before QEMU's pid.
    Scope(String),
    /// A control group at the root of all, which one of the plan's changes makes; its path.
    Group(String),
}

/// A partition of host CPUs that nobody else may run on. Linux: `Documentation/admin-guide/cgroup-v2.rst`,
/// `cpuset.cpus.partition`, whose words these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// Nothing is balanced in it: for vCPUs that have a host CPU each.
    Isolated,
    /// The scheduler moves threads within it.
    Root,
}

impl Partition {
    /// The kernel's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Root => "root",
        }
    }
}
