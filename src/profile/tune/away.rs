//! `tune.irqs_away`, `tune.kernel_work_away`: whatever of the kernel's own work would run on the guest's host CPUs.

use super::Ground;
use crate::host::Irq;
use crate::plan::{Change, CpuMask, Draft};

pub(super) fn draft_masks(irqs: bool, workers: bool, ground: &Ground, draft: &mut Draft) {
    let Some(tuning) = &ground.scene.host.tuning else { return };
    let mut masks = Vec::new();
    let is_irqs = |path: &str| path.starts_with("/proc/irq/");
    let of_kind = tuning.masks.iter().filter(|(path, _)| if is_irqs(path) { irqs } else { workers });
    // New interrupts, as of devices that are given back, follow the default: it comes first.
    masks.extend(of_kind.filter_map(|(path, text)| mask(path, text, ground)));
    if irqs {
        let handled = tuning.irqs.iter().filter(|irq| !irq.handler.is_empty());
        masks.extend(handled.filter_map(|Irq { number, cpus, .. }| {
            mask(&format!("/proc/irq/{number}/smp_affinity_list"), cpus, ground)
        }));
    }
    if !masks.is_empty() {
        draft.contents.changes.push(Change::Masks { cpus: ground.guest.clone(), masks });
    }
}

/// The change of the mask at `path`; `None` when the guest's host CPUs are not in it.
fn mask(path: &str, text: &str, ground: &Ground) -> Option<CpuMask> {
    let now = CpuMask::read(path, text)?;
    if now.and(&ground.guest).is_empty() {
        return None;
    }
    let rest = now.without(&ground.guest);
    let rest = if rest.is_empty() { ground.host.clone() } else { rest };
    Some(CpuMask { path: path.to_owned(), from: text.to_owned(), to: CpuMask::write(path, &rest, text) })
}
