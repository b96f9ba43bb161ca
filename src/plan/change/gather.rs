//! The host's processes in a control group of their own, where no systemd has them in slices.
//! Linux: `Documentation/admin-guide/cgroup-v2.rst`.

use super::Presence;
use super::slices::Confinement;
use crate::plan::Step;
use crate::unit::CpuSet;

/// The root of the control groups.
pub const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// The control group of the host's processes; one for all guests, and no guest's, whose names follow a dash.
pub const HOST_GROUP: &str = "/sys/fs/cgroup/vmrun.host";

/// A group is confined before anybody is in it, and its processes leave it last.
pub(super) fn steps(cpus: &CpuSet, all: &CpuSet, groups: &[Confinement], others: Presence, to: Presence) -> Vec<Step> {
    let confine = groups.iter().map(|Confinement { unit, from, to }| Step::Confine {
        unit: unit.clone(),
        was: from.clone(),
        value: to.clone(),
        cpus: cpus.clone(),
        all: all.clone(),
    });
    match to {
        Presence::Present => [Step::Gather { into: HOST_GROUP.to_owned() }].into_iter().chain(confine).collect(),
        Presence::Absent => {
            let controller = others == Presence::Present;
            let disperse = Step::Disperse { from: HOST_GROUP.to_owned(), all: all.clone(), controller };
            confine.chain([disperse]).collect()
        }
    }
}

/// A control group, made or removed.
pub(super) fn group(path: &str, to: Presence) -> Vec<Step> {
    vec![Step::Group { path: path.to_owned(), there: to == Presence::Present }]
}
