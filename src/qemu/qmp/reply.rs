//! The replies that a start depends on, read leniently: only what is needed, and newer values are kept as text.

use super::QmpError;
use qapi::Command;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The reply to `command`, by what is expected of it.
pub(in crate::qemu) fn read<'a, T: Deserialize<'a>>(command: &str, reply: &'a RawValue) -> Result<T, QmpError> {
    let (command, text) = (|| command.to_owned(), reply.get());
    serde_json::from_slice(text.as_bytes()).map_err(|source| QmpError::Unreadable {
        command: command(),
        reply: text.to_owned(),
        source,
    })
}

/// `query-cpus-fast`: the vCPUs and their threads.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueryCpus {}

/// `query-iothreads`: the iothreads and their threads.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueryIothreads {}

/// `query-status`: whether the guest runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueryStatus {}

/// `query-version`: which QEMU it is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueryVersion {}

/// A vCPU.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Vcpu {
    /// Its index, from 0.
    pub cpu_index: u32,
    /// Thread that runs it. `props` has a key of the same name, which is a place in the guest's topology.
    pub thread_id: i32,
}

/// An iothread.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Iothread {
    /// Id of its object.
    pub id: String,
    /// Thread that runs it.
    pub thread_id: i32,
}

/// Whether the guest runs, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// Whether vCPUs run.
    pub running: bool,
    /// State of the run.
    pub status: RunState,
}

/// State of a guest; QEMU: `RunState` in `qapi/run-state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Started with `-S` and not continued yet.
    Prelaunch,
    /// vCPUs run.
    Running,
    /// Stopped by a command.
    Paused,
    /// Powered off while `-action shutdown=pause` keeps QEMU.
    Shutdown,
    /// The guest sleeps (ACPI S3).
    Suspended,
    /// The guest reported a panic.
    GuestPanicked,
    /// An image gave an error and the guest waits.
    IoError,
    /// QEMU had a fault it cannot go on from.
    InternalError,
    /// Any other, by QEMU's name.
    #[serde(untagged)]
    Other(String),
}

/// Version of the QEMU that answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// Its numbers.
    pub qemu: VersionNumbers,
    /// What the distributor added.
    pub package: String,
}

/// The three numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct VersionNumbers {
    /// First.
    pub major: u32,
    /// Second.
    pub minor: u32,
    /// Third.
    pub micro: u32,
}

impl Command for QueryCpus {
    type Ok = Vec<Vcpu>;
    const NAME: &'static str = "query-cpus-fast";
    const ALLOW_OOB: bool = false;
}

impl Command for QueryIothreads {
    type Ok = Vec<Iothread>;
    const NAME: &'static str = "query-iothreads";
    const ALLOW_OOB: bool = false;
}

impl Command for QueryStatus {
    type Ok = Status;
    const NAME: &'static str = "query-status";
    const ALLOW_OOB: bool = false;
}

impl Command for QueryVersion {
    type Ok = Version;
    const NAME: &'static str = "query-version";
    const ALLOW_OOB: bool = false;
}
