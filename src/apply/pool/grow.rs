//! Making huge pages, which the kernel may have to move others together for.

use super::Pool;
use crate::apply::ApplyError;
use crate::host::Root;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Pauses between two tries, together some ten seconds. What helps meanwhile is that others give memory back.
const PAUSES: [u64; 7] = [100, 200, 400, 800, 1600, 3200, 3700];

/// Tries in a row without a gain that are enough.
const IDLE: u32 = 4;

/// How hard it is tried.
pub(super) struct Effort<'a> {
    /// Whether the kernel may be told to forget what it has read from disks.
    pub(super) drop_caches: bool,
    /// Disconnected when the start was given up.
    pub(super) given_up: &'a Receiver<()>,
}

/// Tries to bring `pool` to `wanted` pages; returns how many it has then.
///
/// After some tries in a row that gained nothing there is no further one: the kernel has nothing left to move.
pub(super) fn grow(root: &Root, pool: &Pool, wanted: u64, effort: &Effort<'_>) -> Result<u64, ApplyError> {
    let mut got = pool.set(root, wanted)?;
    let mut idle = 0;
    for (number, pause) in PAUSES.into_iter().enumerate() {
        if got >= wanted || idle == IDLE {
            break;
        }
        if number == 1 && effort.drop_caches {
            // 3: pages of files and the kernel's own of folders. Linux: Documentation/admin-guide/sysctl/vm.rst.
            tell(root, "/proc/sys/vm/drop_caches", "3");
        }
        tell(root, &pool.compact, "1");
        let before = got;
        got = pool.set(root, wanted)?;
        idle = if got > before { 0 } else { idle + 1 };
        if got < wanted && idle < IDLE {
            match effort.given_up.recv_timeout(Duration::from_millis(pause)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }
    Ok(got)
}

/// Tells the kernel something that may help; that it cannot be told is no reason to stop.
fn tell(root: &Root, path: &str, value: &str) {
    if let Err(error) = fs::write(root.resolve(path), value) {
        tracing::debug!(path, %error, "the kernel takes no hint");
    }
}
