//! How much of the guest's memory lies in huge pages.

use super::{Finding, Mark};
use crate::host::{Backed, Root, mappings};
use crate::plan::Contents;

/// Below this many percent a guest is noticeably slower than it could be.
const ENOUGH: u64 = 95;

/// Of transparent huge pages what the kernel has given; pages of a pool are there, or QEMU would not run.
pub(super) fn judge(root: &Root, pid: u32, plan: &Contents) -> Option<Finding> {
    let Some(wish) = &plan.transparent else {
        let words = plan.argv.words();
        let pool = words.iter().any(|word| word.contains("hugetlb") || word.contains("/dev/hugepages"));
        return pool.then(|| Finding::new(Mark::Ok, "memory", "in huge pages of the host's pool"));
    };
    let Some(Backed { touched, huge }) = mappings(root, pid, &wish.parts) else {
        return Some(Finding::new(Mark::Warn, "memory", "how it is backed cannot be read"));
    };
    let percent = huge.bytes().saturating_mul(100) / touched.bytes().max(1);
    let (have, lie) = (touched.bytes() >> 20, huge.bytes() >> 20);
    let what = format!("{lie}M of the {have}M that the guest has touched lie in huge pages, {percent} %");
    Some(match percent >= ENOUGH {
        true => Finding::new(Mark::Ok, "memory", what),
        false => Finding::new(Mark::Warn, "memory", what)
            .fix("hugepages = \"2M\" in [memory], or start the guest sooner after the host"),
    })
}
