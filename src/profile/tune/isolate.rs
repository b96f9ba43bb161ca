//! `tune.isolate`: the host's processes elsewhere, and QEMU where they are not.

use super::Ground;
use crate::host::Tuning;
use crate::plan::{
    CONTROL_GROUPS, Change, Class, Confinement, Draft, HOST_GROUP, Home, Partition, Pins, Presence, Problem, Room,
};

pub(super) fn draft(ground: &Ground, draft: &mut Draft) {
    let host = ground.scene.host;
    let tuning = host.tuning.as_ref();
    let home = match (host.systemd, tuning) {
        (true, Some(Tuning { slices, .. })) if !slices.is_empty() => {
            let units = slices.iter().map(|(unit, from)| confined(unit, from, ground)).collect();
            let change = Change::Slices { cpus: ground.guest.clone(), all: host.online(), units };
            draft.contents.changes.push(change);
            Home::Scope(format!("vmrun-{}", ground.scene.name))
        }
        (false, Some(tuning @ Tuning { cpuset: Some(on), .. })) => gathered(tuning, *on, ground, draft),
        (systemd, _) => return draft.refuse(impossible(systemd)),
    };
    let partition = partition(&draft.contents.pins, ground);
    draft.contents.room = Some(Room { home, cpus: ground.guest.clone(), partition });
}

fn impossible(systemd: bool) -> Problem {
    let (what, why) = match systemd {
        true => (
            "there are no slices of systemd to keep the host's processes in",
            "its control groups are of version 1, or not at /sys/fs/cgroup",
        ),
        false => (
            "there are no control groups to keep the host's processes in",
            "systemd does not run here, and /sys/fs/cgroup has no controller cpuset of version 2",
        ),
    };
    let fix = "isolcpus=N-M on the kernel's command line, and leave isolate out";
    Problem::new(Class::Missing, "tune.isolate", what).why(why).fix(fix)
}

/// A unit or a group without the guest's host CPUs.
fn confined(unit: &str, from: &str, ground: &Ground) -> Confinement {
    let now = from.parse().unwrap_or_else(|_| ground.scene.host.online());
    let rest = now.without(&ground.guest);
    let rest = if rest.is_empty() { ground.host.clone() } else { rest };
    Confinement { unit: unit.to_owned(), from: from.to_owned(), to: rest.to_string() }
}

/// The host's processes in groups that leave the guest's host CPUs alone; returns the place of QEMU.
fn gathered(tuning: &Tuning, on: bool, ground: &Ground, draft: &mut Draft) -> Home {
    let guests = format!("{CONTROL_GROUPS}/vmrun-");
    let own = tuning.groups.get(HOST_GROUP).map_or("", String::as_str);
    let others = tuning.groups.iter().filter(|(path, _)| *path != HOST_GROUP && !path.starts_with(&guests));
    let groups = std::iter::once((HOST_GROUP, own)).chain(others.map(|(path, from)| (path.as_str(), from.as_str())));
    // That another guest has them gathered is no reason to keep the controller.
    let others = if on && !tuning.groups.contains_key(HOST_GROUP) { Presence::Present } else { Presence::Absent };
    let change = Change::Gather {
        cpus: ground.guest.clone(),
        all: ground.scene.host.online(),
        groups: groups.map(|(unit, from)| confined(unit, from, ground)).collect(),
        others,
        from: Presence::Absent,
        to: Presence::Present,
    };
    let path = format!("{CONTROL_GROUPS}/vmrun-{}", ground.scene.name);
    let made = Change::Group { path: path.clone(), from: Presence::Absent, to: Presence::Present };
    draft.contents.changes.extend([change, made]);
    Home::Group(path)
}

/// What the vCPUs can have for themselves: nobody else of QEMU's may be pinned there.
fn partition(pins: &Pins, ground: &Ground) -> Option<Partition> {
    let iothreads = pins.iothreads.values().map(|place| place.cpus.as_ref());
    let shared = iothreads
        .chain([pins.emulator.as_ref()])
        .any(|cpus| cpus.is_none_or(|cpus| !cpus.and(&ground.guest).is_empty()));
    let alone = pins.vcpus.iter().all(|place| place.cpus.as_ref().is_some_and(|cpus| cpus.len() == 1));
    let placed = pins.vcpus.iter().all(|place| place.cpus.is_some());
    let kind = if alone { Partition::Isolated } else { Partition::Root };
    (placed && !shared).then_some(kind)
}
