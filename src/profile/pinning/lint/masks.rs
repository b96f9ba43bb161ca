//! Whether each vCPU has a host CPU at all.

use super::super::pool::{cpus, usable};
use super::{AT, Look, list};
use crate::host::Neighbour;
use crate::plan::{Class, Problem};

/// More vCPUs than the host CPUs that they share.
pub(super) fn crowded(look: &Look) -> Option<Problem> {
    let pinned = look.pinned();
    // Two on one CPU alone are refused.
    if look.cpus.is_some() || pinned.is_empty() || look.pins.len() <= pinned.len() {
        return None;
    }
    let what = format!("{} vCPUs share host {}", look.pins.len(), cpus(&pinned));
    let problem = Problem::new(Class::Invalid, AT, what)
        .why("a vCPU that waits for a host CPU while it holds a lock stalls the others");
    Some(match look.better() {
        Some(choice) => problem.fix(look.lines(&choice)),
        None => problem.fix(format!("as many vCPUs as host CPUs: {}", pinned.len())),
    })
}

/// A choice of CPUs that the kernel never makes: without its balancing, threads stay where they are put first.
pub(super) fn isolated(look: &Look) -> Option<Problem> {
    let isolated = &look.host.cpu_sets.isolated;
    let at = look.pins.iter().position(|set| set.and(isolated).len() > 1)?;
    let pinned = look.pinned();
    let what = format!(
        "vCPU {at} has a choice of host {}, which isolcpus keeps from the scheduler",
        cpus(&look.pins[at].and(isolated))
    );
    let problem = Problem::new(Class::Invalid, AT, what)
        .why("nothing is moved between such CPUs: vCPUs that share them all stay on the first");
    let inside = pinned.and(isolated);
    Some(match look.better().filter(|choice| choice.cpus().iter().all(|cpu| isolated.contains(*cpu))) {
        Some(choice) => problem.fix(look.lines(&choice)),
        None if inside.len() >= look.pins.len() => {
            problem.fix(format!("vcpus = [{}]", list(inside.iter().take(look.pins.len()))))
        }
        None => problem.fix(format!("one of {inside} for each vCPU, and no more vCPUs than that")),
    })
}

/// CPUs on which the vCPUs of another guest run.
pub(super) fn taken(look: &Look) -> Option<Problem> {
    let pinned = look.pinned();
    let shared = |neighbour: &&Neighbour| !neighbour.cpus.and(&pinned).is_empty();
    let Neighbour { name, cpus: theirs, .. } = look.host.neighbours.iter().find(shared)?;
    let what = format!("the vCPUs of the guest {name}, which runs, are on host {} too", cpus(&theirs.and(&pinned)));
    let problem = Problem::new(Class::Busy, AT, what).why("two vCPUs on one host CPU wait for each other");
    Some(match look.better() {
        Some(choice) => problem.fix(look.lines(&choice)),
        None => problem.fix(format!("vmrun stop {name}")),
    })
}

/// CPUs that the kernel will not give this process.
pub(super) fn closed(look: &Look) -> Option<Problem> {
    let host = look.host;
    let closed = look.pinned().and(&host.online()).without(&usable(host));
    if closed.is_empty() {
        return None;
    }
    let what =
        format!("host {} are not open to vmrun, whose control group or mask has {}", cpus(&closed), usable(host));
    let problem = Problem::new(Class::Impossible, AT, what)
        .why("the kernel leaves CPUs out of a thread's mask that its control group does not have");
    Some(match look.better() {
        Some(choice) => problem.fix(look.lines(&choice)),
        None => problem.fix("systemctl set-property --runtime user.slice AllowedCPUs=   # or start vmrun elsewhere"),
    })
}
