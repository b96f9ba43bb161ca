//! The control group of QEMU, and the partition of host CPUs in it that is the vCPUs' alone.

use super::quote::word;
use super::sheet::Sheet;
use crate::plan::{CONTROL_GROUPS, Contents, Home, Partition, Room};

/// The host CPUs and the kind of the partition that is wanted.
fn wanted(contents: &Contents) -> Option<(&Room, Partition)> {
    let room = contents.room.as_ref()?;
    Some((room, room.partition?))
}

/// Before QEMU is there: a group at the root of all can be a partition already.
pub(super) fn before(contents: &Contents, sheet: &mut Sheet) {
    if let Some((Room { home: Home::Group(group), cpus, .. }, kind)) = wanted(contents) {
        sheet.line(format!("divide_group {} {cpus} {}", word(group), kind.word()));
    }
}

/// QEMU is there, and its scope with it.
pub(super) fn after(contents: &Contents, sheet: &mut Sheet) {
    if let Some((Room { home: Home::Scope(scope), cpus, .. }, kind)) = wanted(contents) {
        let group = format!("{CONTROL_GROUPS}/{scope}.scope");
        sheet.line(format!("divide_scope {} {cpus} {}", word(&group), kind.word()));
    }
}

/// Whether vCPUs are moved into a group of their own.
pub(super) fn is_divided(contents: &Contents) -> bool {
    wanted(contents).is_some()
}

/// A line that moves the shell that becomes QEMU; `None` when it stays where it is, or a scope does it.
pub(super) fn enter(contents: &Contents) -> Option<String> {
    let Some(Room { home: Home::Group(group), partition, .. }) = &contents.room else { return None };
    Some(match partition {
        // All threads of a process are in one domain, and the partition is a part of the root's.
        Some(_) => format!("join_group \"${{divided:+{CONTROL_GROUPS}}}\" {}", word(group)),
        None => format!("join_group '' {}", word(group)),
    })
}
