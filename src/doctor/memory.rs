//! Memory.

use super::advice::drop_argument;
use super::{Check, Found, Subject, about, ok, warn};
use crate::host::Pool;
use crate::unit::Size;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "idle-huge-pages",
        why: "memory in a pool of huge pages is nobody's but a guest's, also while none runs",
        of_profiles: false,
        judge: idle,
    },
    Check {
        id: "transparent-huge-pages",
        why: "a guest in pages of 4K spends up to a tenth of its time finding them",
        of_profiles: true,
        judge: transparent,
    },
    Check {
        id: "memory-pieces",
        why: "huge pages are cut from large free pieces, which a machine runs out of days after its boot",
        of_profiles: false,
        judge: pieces,
    },
];

fn idle(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/devices/system/node/node*/hugepages/*/free_hugepages";
    let free = |pool: &Pool| pool.size.bytes().saturating_mul(pool.free);
    let unused: u64 = subject.host.nodes.iter().flat_map(|node| &node.pools).map(free).sum();
    if unused == 0 {
        return ok("no huge page stands idle; vmrun makes them when a guest starts", read);
    }
    let argument = subject.arguments().find(|it| it.starts_with("hugepages="));
    let fix = match argument {
        Some(argument) => drop_argument(subject, argument),
        None => {
            "take vm.nr_hugepages out of /etc/sysctl.d, and:\necho 0 | sudo tee /proc/sys/vm/nr_hugepages".to_owned()
        }
    };
    warn(
        format!("{} in huge pages stand idle", about(unused)),
        read,
        format!("pages of 1G may be worth keeping; others vmrun makes at the start and gives back at the end:\n{fix}"),
    )
}

fn transparent(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/kernel/mm/transparent_hugepage/enabled";
    let Some(huge) = &subject.host.transparent_huge else { return Vec::new() };
    match huge.enabled.as_str() {
        "never" => warn(
            "transparent huge pages are off",
            read,
            "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled\n\
             and take transparent_hugepage=never out of the kernel's arguments",
        ),
        how => ok(format!("transparent huge pages: {how}"), read),
    }
}

fn pieces(subject: &Subject<'_>) -> Vec<Found> {
    let (host, two) = (subject.host, Size::from_bytes(2 << 20));
    let Some(available) = host.memory_available.filter(|_| !host.free_blocks.is_empty()) else { return Vec::new() };
    let free: u64 = host.free_blocks.iter().map(|zone| zone.holds(two)).sum::<u64>().saturating_mul(two.bytes());
    let what = format!("{} of {} available memory lie in pieces of 2M", about(free), about(available.bytes()));
    // What is available and not free is caches, from which the kernel makes large pieces less and less well.
    match free < available.bytes() / 4 {
        true => warn(
            what,
            "/proc/buddyinfo, MemAvailable of /proc/meminfo",
            "start the guest soon after boot, or:\necho 1 | sudo tee /proc/sys/vm/compact_memory",
        ),
        false => ok(what, "/proc/buddyinfo, MemAvailable of /proc/meminfo"),
    }
}
