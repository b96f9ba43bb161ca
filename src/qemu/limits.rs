//! Limits that QEMU is started with.

use crate::plan::Plan;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// What the child makes of its limits before it executes; plain numbers, since it may not allocate there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes that QEMU must be able to lock.
    locked: Option<u64>,
}

impl Limits {
    /// The limits of `plan`.
    pub(super) fn of(plan: &Plan) -> Self {
        Self { locked: plan.locked_memory.map(crate::unit::Size::bytes) }
    }

    /// Sets them for the calling process; a limit that is high enough stays as it is.
    pub(super) fn apply(self) -> io::Result<()> {
        let Some(needed) = self.locked else { return Ok(()) };
        match setrlimit(Resource::Memlock, raised(getrlimit(Resource::Memlock), needed)) {
            // Planned all the same, so the limit does not count for this user: CAP_IPC_LOCK without CAP_SYS_RESOURCE.
            Err(Errno::PERM) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// `now` with room for `needed` bytes.
fn raised(now: Rlimit, needed: u64) -> Rlimit {
    let at_least = |limit: Option<u64>| limit.map(|limit| limit.max(needed));
    Rlimit { current: at_least(now.current), maximum: at_least(now.maximum) }
}

#[cfg(test)]
mod test {
    use super::raised;
    use rustix::process::Rlimit;

    fn limit(current: Option<u64>, maximum: Option<u64>) -> Rlimit {
        Rlimit { current, maximum }
    }

    #[test]
    fn a_limit_is_raised_and_never_lowered() {
        assert_eq!(raised(limit(Some(8), Some(8)), 100), limit(Some(100), Some(100)));
        assert_eq!(raised(limit(Some(8), Some(500)), 100), limit(Some(100), Some(500)));
        assert_eq!(raised(limit(Some(200), None), 100), limit(Some(200), None));
        assert_eq!(raised(limit(None, None), 100), limit(None, None));
    }
}
