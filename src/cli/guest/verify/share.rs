//! Whether the guest has its share of caches and of the memory's bandwidth.

use super::{Finding, Mark};
use crate::host::{Root, ThreadFact};

/// Of the `threads` of QEMU, which are all to be in `group`.
pub(super) fn judge(root: &Root, group: Option<&str>, threads: &[ThreadFact]) -> Option<Finding> {
    const ABOUT: &str = "share";
    let group = group?;
    let Some(members) = root.text(format!("{group}/tasks")) else {
        let what = format!("{group} is gone, and the guest has its share of everybody's");
        return Some(
            Finding::new(Mark::Wrong, ABOUT, what).fix("start the guest anew; somebody has removed the group"),
        );
    };
    let members: Vec<u32> = members.lines().filter_map(|line| line.parse().ok()).collect();
    let strays: Vec<_> = threads.iter().filter(|thread| !members.contains(&thread.tid)).collect();
    if let Some(first) = strays.first() {
        let what = format!("{} of {} threads are not in {group}", strays.len(), threads.len());
        let fix = format!("echo {} | sudo tee {group}/tasks   # and so on, or start the guest anew", first.tid);
        return Some(Finding::new(Mark::Wrong, ABOUT, what).fix(fix));
    }
    let text = root.text(format!("{group}/schemata")).unwrap_or_default();
    let shares: Vec<_> = text.lines().map(str::trim).collect();
    Some(Finding::new(Mark::Ok, ABOUT, format!("all threads are in {group}: {}", shares.join(", "))))
}

#[cfg(test)]
mod test {
    use super::{Mark, judge};
    use crate::host::ThreadFact;
    use crate::host::tree::lay_out;

    #[test]
    fn a_thread_outside_of_the_group_and_a_group_that_is_gone_are_wrong() {
        let group = "/sys/fs/resctrl/vmrun-win";
        let tree = lay_out(&[
            ("/sys/fs/resctrl/vmrun-win/tasks", "7\n8\n"),
            ("/sys/fs/resctrl/vmrun-win/schemata", "    L3:0=000ff\n"),
        ]);
        let threads = [7, 8, 9].map(|tid| ThreadFact { tid, ..ThreadFact::default() });
        let told = |group, threads: &[ThreadFact]| judge(&tree.root, group, threads).map(|it| (it.mark, it.what));
        let good = "all threads are in /sys/fs/resctrl/vmrun-win: L3:0=000ff".to_owned();
        assert_eq!(told(Some(group), &threads[..2]), Some((Mark::Ok, good)));
        let (mark, what) = told(Some(group), &threads).unwrap();
        assert_eq!((mark, what.as_str()), (Mark::Wrong, "1 of 3 threads are not in /sys/fs/resctrl/vmrun-win"));
        assert_eq!(told(Some("/sys/fs/resctrl/gone"), &threads).unwrap().0, Mark::Wrong);
        assert_eq!(told(None, &threads), None);
    }
}
