//! Whether the kernel keeps strangers off a core's sibling threads. Linux:
//! `Documentation/admin-guide/hw-vuln/core-scheduling.rst`.

use super::Root;
use nix::libc;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What the kernel makes of core scheduling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreScheduling {
    /// It can.
    Can,
    /// It could, and no core has a second thread that is online.
    NoSiblings,
    /// It was built without, `CONFIG_SCHED_CORE`.
    NotBuilt,
}

/// Asks the kernel that runs; `None` below another root, and when the kernel says something else.
pub(super) fn read(root: &Root) -> Option<CoreScheduling> {
    if root.resolve("/") != Path::new("/") {
        return None;
    }
    match core_cookie(0).map_err(|error| error.raw_os_error()) {
        Ok(_) => Some(CoreScheduling::Can),
        Err(Some(libc::ENODEV)) => Some(CoreScheduling::NoSiblings),
        Err(Some(libc::EINVAL)) => Some(CoreScheduling::NotBuilt),
        Err(_) => None,
    }
}

/// The cookie of thread `tid`, 0 for the calling one: threads with the same run beside each other on a core. 0 is that of
/// all who have none.
///
/// # Errors
///
/// `ENODEV` without sibling threads, `EINVAL` without core scheduling, `ESRCH` when the thread is gone, `EPERM` for
/// another user's. Source: `PR_SCHED_CORE(2const)`.
pub fn core_cookie(tid: u32) -> io::Result<u64> {
    let mut cookie = 0_u64;
    // SAFETY: the pointer is to a local that lives through the call, in which the kernel writes eight bytes.
    #[allow(unsafe_code, reason = "prctl(2) has no safe form for it")]
    let status = unsafe {
        libc::prctl(
            libc::PR_SCHED_CORE,
            libc::c_ulong::from(libc::PR_SCHED_CORE_GET.unsigned_abs()),
            libc::c_ulong::from(tid),
            libc::c_ulong::from(libc::PR_SCHED_CORE_SCOPE_THREAD.unsigned_abs()),
            std::ptr::from_mut(&mut cookie),
        )
    };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(cookie) }
}

#[cfg(test)]
mod test {
    use super::{CoreScheduling, core_cookie, read};
    use crate::host::Root;
    use crate::host::tree::lay_out;
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn the_answer_is_that_of_the_kernel_that_runs() {
        let siblings: BTreeSet<_> = fs::read_dir("/sys/devices/system/cpu")
            .unwrap()
            .filter_map(|cpu| fs::read_to_string(cpu.ok()?.path().join("topology/thread_siblings_list")).ok())
            .collect();
        let several = siblings.iter().any(|list| list.contains([',', '-']));
        match read(&Root::default()) {
            Some(CoreScheduling::Can) => assert!(several && core_cookie(0).is_ok(), "{siblings:?}"),
            Some(CoreScheduling::NoSiblings) => assert!(!several && core_cookie(0).is_err(), "{siblings:?}"),
            Some(CoreScheduling::NotBuilt) => assert!(core_cookie(0).is_err()),
            None => panic!("{:?}", core_cookie(0)),
        }
    }

    #[test]
    fn a_machine_that_was_laid_out_is_not_this_one() {
        assert_eq!(read(&lay_out(&[]).root), None);
    }
}
