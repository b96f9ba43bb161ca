//! Whether strangers are kept off the sibling threads of the guest's cores.

use super::{Finding, Mark};
use crate::host::ThreadFact;
use crate::plan::Pins;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};

/// `cookie` tells a thread's, as [`core_cookie`](crate::host::core_cookie) does.
pub(super) fn judge(pins: &Pins, threads: &[ThreadFact], cookie: impl Fn(u32) -> io::Result<u64>) -> Option<Finding> {
    if !pins.core_scheduling {
        return None;
    }
    let mut cookies = BTreeSet::new();
    for thread in threads {
        match cookie(thread.tid) {
            Ok(cookie) => _ = cookies.insert(cookie),
            // It has ended in the meantime.
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Some(finding(Mark::Warn, "who may run beside the guest is told to root only".into()));
            }
            Err(error) => return Some(finding(Mark::Wrong, format!("the kernel keeps nobody off its cores: {error}"))),
        }
    }
    Some(match (cookies.contains(&0), cookies.len()) {
        (false, 1) => finding(Mark::Ok, format!("its {} threads share a core with nobody else", threads.len())),
        (true, _) => finding(Mark::Wrong, "a thread of QEMU may share a core with any program".into()),
        (false, kinds) => finding(Mark::Wrong, format!("its threads are kept apart from each other, as {kinds} kinds")),
    })
}

fn finding(mark: Mark, what: String) -> Finding {
    let fix = match mark {
        Mark::Wrong => "start the guest anew; somebody has changed it with prctl(2) or coresched",
        Mark::Warn => "sudo vmrun verify",
        Mark::Ok => "",
    };
    Finding::new(mark, "cores", what).fix(fix)
}

#[cfg(test)]
mod test {
    use super::{Mark, judge};
    use crate::host::ThreadFact;
    use crate::plan::Pins;
    use nix::libc;
    use std::io;

    fn mark(cookies: &[Result<u64, i32>]) -> Option<Mark> {
        let pins = Pins { core_scheduling: true, ..Pins::default() };
        let threads: Vec<_> = (0..).zip(cookies).map(|(tid, _)| ThreadFact { tid, ..ThreadFact::default() }).collect();
        let cookie = |tid: u32| cookies[tid as usize].map_err(io::Error::from_raw_os_error);
        judge(&pins, &threads, cookie).map(|finding| finding.mark)
    }

    #[test]
    fn all_threads_have_one_cookie_of_their_own() {
        assert_eq!(mark(&[Ok(7), Ok(7), Err(libc::ESRCH)]), Some(Mark::Ok));
        assert_eq!(mark(&[Ok(7), Ok(0)]), Some(Mark::Wrong));
        assert_eq!(mark(&[Ok(7), Ok(8)]), Some(Mark::Wrong));
        assert_eq!(mark(&[Err(libc::ENODEV)]), Some(Mark::Wrong));
        assert_eq!(mark(&[Err(libc::EPERM)]), Some(Mark::Warn));
        assert_eq!(judge(&Pins::default(), &[], |_| Ok(0)), None);
    }
}
