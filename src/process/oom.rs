//! Whom the kernel ends first when memory runs out: `oom_score_adj`, `proc_pid_oom_score_adj(5)`.

use nix::unistd::geteuid;
use rustix::fs::{Mode, OFlags, open};
use std::fs;
use std::sync::OnceLock;

const OF_THIS_PROCESS: &str = "/proc/self/oom_score_adj";

/// What a supervisor of a few megabytes has, from -1000, which is never ended, to 1000: all but what the host cannot do
/// without goes before it, and one that grew without bound would go after all.
const SPARED: i32 = -900;

/// What this process had before it was spared.
static BEFORE: OnceLock<String> = OnceLock::new();

/// Has the kernel end this process after nearly all others, as its guest and the host's way back depend on it. Only root
/// may; what is started from now on has what this process had before.
pub fn spare_this_process() {
    if !geteuid().is_root() {
        return;
    }
    let before = fs::read_to_string(OF_THIS_PROCESS).ok();
    let Some(before) = before.filter(|score| score.trim().parse().is_ok_and(|score: i32| score > SPARED)) else {
        return;
    };
    // Root of a container may not. It goes on as before then, which is no reason not to run.
    if fs::write(OF_THIS_PROCESS, SPARED.to_string()).is_ok() {
        _ = BEFORE.set(before);
    }
}

/// In a child, before it becomes another user: what its parent had before that was spared. System calls only, no
/// allocation.
pub(super) fn as_before() {
    if let Some(before) = BEFORE.get() {
        write(before.as_bytes());
    }
}

/// In a child, before it becomes another user: neither spared nor exposed. System calls only, no allocation.
pub fn as_any_process() {
    write(b"0");
}

fn write(score: &[u8]) {
    // Failing leaves the score as inherited, which is no reason not to run.
    if let Ok(file) = open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        _ = rustix::io::write(&file, score);
    }
}
