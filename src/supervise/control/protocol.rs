//! The words of the control socket.

use crate::plan::Change;
use crate::process::ProcessId;
use crate::qemu::QmpError;
use crate::unit::Bdf;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Version of the words; a request may name it as `v`.
const VERSION: u64 = 1;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// How the guest is: a [`Status`].
    Status {},
    /// Its end. The answer comes at once, the connection closes when the host is put back.
    Stop {
        /// Without asking the guest.
        #[serde(default)]
        force: bool,
    },
    /// A command for QEMU's monitor; the answer is QEMU's.
    Qmp {
        /// Name of the command.
        execute: String,
        /// Its arguments.
        #[serde(default)]
        arguments: Map<String, Value>,
    },
    /// The events of the run: from the answer on each is a line. Nothing more can be asked.
    Events {},
    /// PCI functions of the host for the guest that runs; the answer comes when it has them.
    PciAttach(Gift),
    /// PCI functions back to the host; the answer comes when the guest has let go of them, and the host has them.
    PciDetach {
        /// Some functions of one device; it goes whole.
        devices: Vec<Bdf>,
    },
    /// The guest's serial port: from the answer on every byte goes to it, and every byte from it comes. Nothing more can
    /// be asked.
    Console {},
}

/// PCI functions of the host that a guest gets while it runs, as they were planned: who plans can tell what stands
/// against it, and nothing is touched then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gift {
    /// The functions.
    pub devices: Vec<Bdf>,
    /// What is changed of the host, in order.
    pub changes: Vec<Change>,
    /// What QEMU gets, by function: the properties of its device. vmrun chooses `id` and `bus`.
    pub functions: Vec<(Bdf, Value)>,
}

/// How a guest is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its state, in the words of [`crate::supervise::State`].
    pub state: String,
    /// QEMU's word for how the guest is, asked for this answer; `unresponsive` when QEMU did not say within 3 s. `None`
    /// when there is no QEMU.
    pub guest: Option<String>,
    /// Process id of its supervisor.
    pub supervisor: u32,
    /// Process id of QEMU, once it runs.
    pub qemu: Option<u32>,
    /// Seconds since 1970 when vmrun was started for it.
    pub since: u64,
    /// Number of vCPUs.
    pub vcpus: u32,
    /// Its memory, as QEMU was told.
    pub memory: String,
    /// Devices of the host that it has, like `pci 0000:0a:00.0` and `usb 046d:c29b`.
    pub devices: Vec<String>,
    /// Where QEMU's threads are.
    pub pins: Pins,
    /// Its companions.
    pub services: Vec<ServiceStatus>,
    /// Folder of this run's logs.
    pub logs: PathBuf,
    /// The last events, oldest first.
    pub events: Vec<Value>,
}

/// Where QEMU's threads are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Threads that vmrun placed, or found in their place.
    pub placed: usize,
    /// Those that are somewhere else now.
    pub moved: Vec<String>,
}

/// A companion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its process; `None` while it does not run.
    pub process: Option<ProcessId>,
}

/// A request from its line.
///
/// # Errors
/// With what to tell the client.
pub(super) fn read(line: &str) -> Result<Ask, String> {
    let not_understood = |error: serde_json::Error| format!("not understood: {error}");
    let mut request: Map<String, Value> = serde_json::from_str(line).map_err(not_understood)?;
    match request.remove("v") {
        None => {}
        Some(version) if version == VERSION => {}
        Some(version) => return Err(format!("version {version} is asked for, and this vmrun speaks {VERSION}")),
    }
    serde_json::from_value(Value::Object(request)).map_err(not_understood)
}

/// The line of a request.
pub(super) fn request(ask: &Ask) -> serde_json::Result<String> {
    let mut request = serde_json::to_value(ask)?;
    request["v"] = json!(VERSION);
    Ok(format!("{request}\n"))
}

/// The line of an answer: `return` or `error`, as in QMP.
pub(super) fn answer(result: &Result<Value, Refusal>) -> String {
    let answer = match result {
        Ok(value) => json!({ "v": VERSION, "return": value }),
        Err(Refusal { class, desc }) => json!({ "v": VERSION, "error": { "class": class, "desc": desc } }),
    };
    format!("{answer}\n")
}

/// What an answer's line says.
pub(super) fn read_answer(line: &str) -> serde_json::Result<Result<Value, Refusal>> {
    let mut answer: Map<String, Value> = serde_json::from_str(line)?;
    match answer.remove("error") {
        Some(error) => Ok(Err(serde_json::from_value(error)?)),
        None => Ok(Ok(answer.remove("return").unwrap_or_default())),
    }
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::supervise) struct Refusal {
    /// QEMU's class when QEMU refused, else `vmrun`.
    pub(in crate::supervise) class: String,
    /// A sentence.
    pub(in crate::supervise) desc: String,
}

impl From<QmpError> for Refusal {
    fn from(error: QmpError) -> Self {
        match error {
            QmpError::Refused { class, desc, .. } => Self { class, desc },
            QmpError::Closed | QmpError::TooLong { .. } | QmpError::Unreadable { .. } => Self::ours(error.to_string()),
        }
    }
}

impl Refusal {
    pub(in crate::supervise) fn ours(desc: impl Into<String>) -> Self {
        Self { class: "vmrun".into(), desc: desc.into() }
    }
}
