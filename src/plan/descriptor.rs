//! Descriptors that QEMU inherits instead of paths.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Number of the first inherited descriptor; 0 to 2 are the standard streams.
pub const FIRST_DESCRIPTOR: u32 = 3;

/// What vmrun opens and hands to QEMU under a fixed number, so that there is no path to race for or to leave behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Descriptor {
    /// The listening QMP socket.
    Qmp,
    /// A listening socket to which vmrun is connected: what the guest writes to this serial port is read by vmrun.
    Serial,
    /// The same for a serial port that vmrun only relays, to `vmrun console`.
    Console,
    /// The first queue of a tap device.
    Tap(Tap),
    /// The first queue of a macvtap device that one of the plan's changes makes.
    Macvtap {
        /// Name of the device.
        name: String,
        /// Whether further queues follow.
        multi_queue: bool,
    },
    /// A further queue of the tap or macvtap device before it.
    Queue,
    /// `/dev/vhost-net`, for a queue of the tap or macvtap device before it.
    VhostNet,
    /// A file or node, opened for reading and writing.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// `/dev/cpu_dma_latency`, which holds the host CPUs to this latency for as long as QEMU has it. QEMU knows nothing of
    /// it. Linux: `Documentation/power/pm_qos_interface.rst`.
    CpuLatency {
        /// Microseconds.
        micros: u32,
    },
}

/// A tap device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tap {
    /// Where it comes from.
    pub from: TapFrom,
    /// Its largest packet in bytes; `None` for the bridge's, or what it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Whether it has, or shall have, several queues: the kernel wants the same answer from all that open it.
    pub multi_queue: bool,
}

/// Where a tap device comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TapFrom {
    /// It is made for this run, a port of this bridge, and gone with its descriptors.
    Bridge(String),
    /// It is made for this run under this name, on no bridge, and gone with its descriptors.
    New(String),
    /// It is there under this name, and stays.
    Existing(String),
}

impl Tap {
    /// A tap with one queue, made for this run on `bridge`, with the bridge's MTU.
    #[must_use]
    pub fn on_bridge(bridge: impl Into<String>) -> Self {
        Self { from: TapFrom::Bridge(bridge.into()), mtu: None, multi_queue: false }
    }
}
