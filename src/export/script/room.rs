//! The control group of QEMU, and the partition of host CPUs in it that is the vCPUs' alone.

use super::quote::word;
use super::sheet::Sheet;
use crate::plan::{CONTROL_GROUPS, Contents, Home, Partition, Room};

/// The host CPUs and the kind of the partition that is wanted.
fn wanted(contents: &Contents) -> Option<(&Room, Partition)> {
    let room = contents.room.as_ref()?;
    Some((room, room.partition?))
}

/// Before QEMU is there, for the first time or anew: after a cold reboot, the group at the root of all is a partition still.
pub(super) fn before(contents: &Contents, sheet: &mut Sheet) {
    if let Some(Room { home: Home::Group(group), .. }) = &contents.room {
        sheet.line(format!("renew_group {} || die 'the control group of QEMU cannot be made'", word(group)));
    }
    if is_divided(contents) {
        sheet.line("divided=");
    }
}

/// QEMU is there, and has its memory: until now its threads had all host CPUs.
pub(super) fn after(contents: &Contents, sheet: &mut Sheet) {
    let Some((Room { home, cpus, .. }, kind)) = wanted(contents) else { return };
    let (divide, group) = match home {
        Home::Scope(scope) => ("divide_scope", format!("{CONTROL_GROUPS}/{scope}.scope")),
        Home::Group(group) => ("divide_group", group.clone()),
    };
    sheet.line(format!("{divide} {} {cpus} {}", word(&group), kind.word()));
}

/// Whether vCPUs are moved into a group of their own.
pub(super) fn is_divided(contents: &Contents) -> bool {
    wanted(contents).is_some()
}

/// A line that moves the shell that becomes QEMU; `None` when it stays where it is, or a scope does it.
pub(super) fn enter(contents: &Contents) -> Option<String> {
    let Some(Room { home: Home::Group(group), partition, .. }) = &contents.room else { return None };
    // All threads of a process are in one domain, and the partition is a part of the root's.
    let domain = if partition.is_some() { CONTROL_GROUPS } else { group };
    Some(format!("join_group {}", word(domain)))
}
