//! A group of the kernel's with its share of caches and of the memory's bandwidth.
//! Linux: `Documentation/filesystems/resctrl.rst`.

use super::Presence;
use crate::plan::Step;
use serde::{Deserialize, Serialize};

/// The group of everybody, in whose folder the others are.
pub const RESCTRL: &str = "/sys/fs/resctrl";

/// What a group gets of one cache, or of the memory behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The kernel's name of it: `L3`, `L3CODE`, `L3DATA` or `MB`.
    pub resource: String,
    /// The kernel's number of the cache.
    pub domain: u32,
    /// What the group gets: ways as a mask in hexadecimal digits, bandwidth in percent.
    pub share: String,
    /// What everybody has before.
    pub from: String,
    /// What everybody has after.
    pub to: String,
}

pub(super) fn inverse(grants: Vec<Grant>) -> Vec<Grant> {
    let turned = |grant: Grant| Grant { from: grant.to, to: grant.from, ..grant };
    grants.into_iter().rev().map(turned).collect()
}

/// Everybody lets go before the group takes, and gets back what it had when the group is gone.
pub(super) fn steps(group: &str, grants: &[Grant], to: Presence) -> Vec<Step> {
    let everybodys = grants.iter().filter(|grant| grant.from != grant.to).map(|grant| Step::Allot {
        group: RESCTRL.to_owned(),
        resource: grant.resource.clone(),
        domain: grant.domain,
        was: grant.from.clone(),
        value: grant.to.clone(),
        part: grant.share.clone(),
    });
    let made = Step::Group { path: group.to_owned(), there: to == Presence::Present };
    if to == Presence::Absent {
        return [made].into_iter().chain(everybodys).collect();
    }
    let own = grants.iter().map(|grant| Step::Allot {
        group: group.to_owned(),
        resource: grant.resource.clone(),
        domain: grant.domain,
        was: String::new(),
        value: grant.share.clone(),
        part: String::new(),
    });
    everybodys.chain([made]).chain(own).collect()
}
