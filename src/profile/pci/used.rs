//! What the host itself does with a function, and would lose.

use super::Passed;
use crate::host::{Host, Use};
use crate::plan::{Class, Draft, Problem};

/// Refuses what the host cannot do without.
pub(super) fn judge(passed: &[Passed], host: &Host, draft: &mut Draft) {
    for Passed { at, function, .. } in passed {
        if let Some(made) = function.sriov.map(|sriov| sriov.enabled).filter(|made| *made > 0) {
            let what = format!("{} has virtual functions: {made}", function.bdf);
            draft.refuse(
                Problem::new(Class::Impossible, at, what)
                    .why("they go with the driver that made them, whoever has them")
                    .fix(format!("echo 0 > /sys/bus/pci/devices/{}/sriov_numvfs", function.bdf)),
            );
        }
        for used in &function.uses {
            let (why, fix) = match used {
                Use::Mounted { at, .. } => {
                    ("a disk that two write to is destroyed", format!("umount {}", at.display()))
                }
                Use::Swap { device } => ("what was swapped out would be gone", format!("swapoff /dev/{device}")),
                Use::Member { .. } => {
                    ("what it is part of would fall apart", "stop that first, or pass another controller".into())
                }
                Use::DefaultRoute { .. } => (
                    "this host would be cut off",
                    "let the host's network go another way, or pass another interface".into(),
                ),
                Use::Keyboard { .. } | Use::Framebuffer { .. } | Use::Console { .. } => continue,
            };
            let what = format!("{} is in use by this host: {used}", function.bdf);
            draft.refuse(Problem::new(Class::Impossible, at, what).why(why).fix(fix));
        }
    }
    judge_keyboards(passed, host, draft);
}

/// Without a keyboard the host cannot be told anything any more, not even to stop the guest.
fn judge_keyboards(passed: &[Passed], host: &Host, draft: &mut Draft) {
    let with_keyboard = |uses: &[Use]| uses.iter().any(|used| matches!(used, Use::Keyboard { .. }));
    let stays = host
        .pci
        .iter()
        .any(|function| with_keyboard(&function.uses) && !passed.iter().any(|other| other.bdf() == function.bdf));
    let mut takers = passed.iter().filter(|taken| with_keyboard(&taken.function.uses));
    let Some(taken) = takers.next().filter(|_| !stays) else { return };
    if taken.table.last_keyboard {
        return;
    }
    let names: Vec<_> = taken
        .function
        .uses
        .iter()
        .filter(|used| matches!(used, Use::Keyboard { .. }))
        .map(ToString::to_string)
        .collect();
    let what = format!("{} has the host's only keyboard", taken.bdf());
    draft.refuse(
        Problem::new(Class::Impossible, &taken.at, what)
            .why(format!("{}; while the guest runs nothing could be typed on the host", names.join(", ")))
            .fix("last_keyboard = true   # or plug a keyboard into another controller"),
    );
}
