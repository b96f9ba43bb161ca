//! What can go wrong with QEMU.

use super::QmpError;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why QEMU did not start, or does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// Something that QEMU inherits cannot be opened; nothing was started.
    #[error("cannot open {what} for QEMU")]
    Descriptor {
        /// What it is, with its name: the bridge, the device, the socket.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program cannot be executed; nothing was started.
    #[error("cannot execute {}", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The user that QEMU shall run as is not to be had; nothing was started.
    #[error("QEMU cannot run as `{user}`: {why}")]
    User {
        /// Its login name.
        user: String,
        /// What stands against it.
        why: String,
    },
    /// QEMU ended before the guest ran: an option it refuses, a device it cannot open. It has been waited for.
    #[error("QEMU ended before the guest ran ({}){}", how(*status), quoted(log))]
    Died {
        /// How.
        status: Option<ExitStatus>,
        /// Last lines of what it printed in this run.
        log: Vec<String>,
    },
    /// The monitor gave no reply that can be used.
    #[error(transparent)]
    Qmp(#[from] QmpError),
    /// A QEMU that runs does not talk to us.
    #[error(
        "the monitor of QEMU (process {pid}) does not answer; it is stuck, or somebody else is connected to qmp.sock"
    )]
    Silent {
        /// Its process id.
        pid: u32,
    },
    /// The process that was written down is gone.
    #[error("QEMU (process {pid}) has ended")]
    Gone {
        /// What its process id was.
        pid: u32,
    },
    /// A thread is not where it shall be.
    #[error("cannot place {thread}: {why}")]
    Pin {
        /// The thread, like `vCPU 3 (thread 4711)`.
        thread: String,
        /// What stands against it.
        why: String,
        /// What the kernel said, when it was the kernel; its kind tells a lack of permission.
        source: Option<io::Error>,
    },
    /// The kernel cannot tell about the process, or signal it.
    #[error("cannot {doing} QEMU (process {pid})")]
    Process {
        /// What was tried: `wait for`, `kill`.
        doing: &'static str,
        /// Its process id.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
}

fn how(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "nobody saw how".to_owned(), |status| status.to_string())
}

fn quoted(log: &[String]) -> String {
    if log.is_empty() {
        return " and printed nothing".to_owned();
    }
    format!(", and printed:\n  {}", log.join("\n  "))
}
