//! What the host itself does with a function, and would be without after a reboot.

use super::{Draft, Request};
use crate::host::{PciFunction, Use};
use crate::plan::{Class, Problem};
use std::path::Path;

/// Refuses what the host cannot do without.
pub(super) fn judge(pci: &[PciFunction], request: &Request, taken: &[PciFunction], draft: &mut Draft) {
    for function in taken {
        for used in &function.uses {
            let fix = match used {
                Use::Mounted { at, .. } if at == Path::new("/") => "name another device".to_owned(),
                Use::Mounted { at, .. } => {
                    format!("name another device; or umount {} and take it out of /etc/fstab", at.display())
                }
                Use::Swap { device } => {
                    format!("name another device; or swapoff /dev/{device} and take it out of /etc/fstab")
                }
                Use::Member { .. } => "name another device; or take its disks out of that first".to_owned(),
                Use::DefaultRoute { .. } => {
                    "name another interface; or let the host's network go another way first".to_owned()
                }
                Use::Keyboard { .. } | Use::Framebuffer { .. } | Use::Console { .. } => continue,
            };
            let what = format!("{} is in use by this host: {used}", function.bdf);
            draft.refuse(
                Problem::new(Class::Impossible, "", what).why("after a reboot the host would be without it").fix(fix),
            );
        }
    }
    judge_keyboards(pci, request, taken, draft);
}

/// Without a keyboard nobody could so much as log in and take it back.
fn judge_keyboards(pci: &[PciFunction], request: &Request, taken: &[PciFunction], draft: &mut Draft) {
    let is_keyboard = |used: &&Use| matches!(used, Use::Keyboard { .. });
    let stays =
        pci.iter().any(|function| function.uses.iter().any(|used| is_keyboard(&used)) && !taken.contains(function));
    let taker = taken.iter().find(|function| function.uses.iter().any(|used| is_keyboard(&used)));
    if let Some(function) = taker.filter(|_| !stays && !request.headless) {
        let names: Vec<_> = function.uses.iter().filter(is_keyboard).map(ToString::to_string).collect();
        draft.refuse(
            Problem::new(Class::Impossible, "", format!("{} has the host's only keyboard", function.bdf))
                .why(format!("{}; after a reboot nothing could be typed on the host", names.join(", ")))
                .fix("plug a keyboard into another controller; or, for a host that nobody sits at, add --headless"),
        );
    }
}
