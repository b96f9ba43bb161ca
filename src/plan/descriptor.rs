//! Descriptors that QEMU inherits instead of paths.

use serde::Serialize;

/// Number of the first inherited descriptor; 0 to 2 are the standard streams.
pub const FIRST_DESCRIPTOR: u32 = 3;

/// What vmrun opens and hands to QEMU under a fixed number, so that there is no path to race for or to leave behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Descriptor {
    /// The listening QMP socket.
    Qmp,
    /// One end of a socket pair; what the guest writes to this serial port is read by vmrun.
    Serial,
    /// A tap device enslaved to a bridge, made for this run and gone with its descriptor.
    Tap {
        /// Name of the bridge.
        bridge: String,
    },
    /// `/dev/vhost-net`, for the tap before it.
    VhostNet,
}
