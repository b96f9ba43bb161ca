//! How much memory this process may lock. VFIO counts what it pins against the same limit.

use super::Root;
use crate::unit::Size;
use serde::{Deserialize, Serialize};

/// Bits of capabilities; Linux: `include/uapi/linux/capability.h`.
const CAP_IPC_LOCK: u64 = 1 << 14;
const CAP_SYS_RESOURCE: u64 = 1 << 24;

/// The limit of locked memory, `RLIMIT_MEMLOCK` of getrlimit(2), which QEMU inherits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedMemory {
    /// The hard limit, from `/proc/self/limits`; `None` for none.
    pub most: Option<Size>,
    /// Whether vmrun may raise it: `CAP_SYS_RESOURCE`, from `/proc/self/status`.
    pub raise: bool,
    /// Whether it does not count for vmrun, nor for a QEMU of the same user: `CAP_IPC_LOCK`. Root of a container has it
    /// and may not raise the limit.
    pub exempt: bool,
}

impl LockedMemory {
    /// Whether a process that vmrun starts as its own user can be allowed to lock `amount`.
    #[must_use]
    pub fn allows(self, amount: Size) -> bool {
        self.raise || self.exempt || self.most.is_none_or(|most| most >= amount)
    }
}

/// The limit of this process; `None` when the kernel does not tell.
pub(super) fn read(root: &Root) -> Option<LockedMemory> {
    let line = root.line("/proc/self/limits", "Max locked memory")?;
    let most = match line.split_ascii_whitespace().nth(4)? {
        "unlimited" => None,
        bytes => Some(Size::from_bytes(bytes.parse().ok()?)),
    };
    let effective = root.line("/proc/self/status", "CapEff:")?;
    let bits = u64::from_str_radix(effective.strip_prefix("CapEff:")?.trim(), 16).ok()?;
    Some(LockedMemory { most, raise: bits & CAP_SYS_RESOURCE != 0, exempt: bits & CAP_IPC_LOCK != 0 })
}

#[cfg(test)]
mod test {
    use super::{LockedMemory, read};
    use crate::host::tree::lay_out;
    use crate::unit::Size;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                          Max processes             96407                96407                processes \n\
                          Max locked memory         8388608              16777216             bytes     \n";

    #[test]
    fn the_hard_limit_counts_and_the_right_to_raise_it() {
        let tree = lay_out(&[("/proc/self/limits", LIMITS), ("/proc/self/status", "CapEff:\t0000000000000000\n")]);
        let ordinary = LockedMemory { most: Some(Size::from_bytes(16 << 20)), raise: false, exempt: false };
        assert_eq!(read(&tree.root), Some(ordinary));
        assert!(ordinary.allows(Size::from_bytes(16 << 20)) && !ordinary.allows(Size::from_bytes((16 << 20) + 1)));
        for capabilities in ["CapEff:\t0000000001000000\n", "CapEff:\t0000000000004000\n"] {
            let tree = lay_out(&[("/proc/self/limits", LIMITS), ("/proc/self/status", capabilities)]);
            assert!(read(&tree.root).unwrap().allows(Size::from_bytes(u64::MAX)), "{capabilities}");
        }
    }

    #[test]
    fn no_limit_is_none() {
        let limits = "Max locked memory         unlimited            unlimited            bytes     \n";
        let tree = lay_out(&[("/proc/self/limits", limits), ("/proc/self/status", "CapEff:\t0\n")]);
        assert_eq!(read(&tree.root), Some(LockedMemory { most: None, raise: false, exempt: false }));
        assert_eq!(read(&lay_out(&[]).root), None);
    }
}
