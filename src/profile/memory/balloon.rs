//! `memory.balloon`: the way back for memory that the guest does not use.

use super::{Hugepages, Memory};
use crate::plan::{Class, Draft, Origin, Problem};
use serde_json::json;

const AT: &str = "memory.balloon";

impl Memory {
    /// Drafts the balloon. `passed` says whether the guest has PCI functions of the host.
    pub(in crate::profile) fn draft_balloon(&self, passed: bool, draft: &mut Draft) {
        if !self.balloon {
            return;
        }
        if passed {
            draft.refuse(
                Problem::new(Class::Invalid, AT, "a balloon and passed PCI functions exclude each other")
                    .why("VFIO pins all of the guest's memory, so a balloon gives nothing back, and QEMU inhibits it")
                    .fix("balloon = false"),
            );
            return;
        }
        if matches!(self.hugepages, Hugepages::Pool(_)) {
            draft.warn(
                Problem::new(
                    Class::Invalid,
                    AT,
                    "the balloon gives back whole huge pages only, which is next to nothing",
                )
                .why("the guest gives pages of 4 KiB back, the pool holds larger ones")
                .fix("hugepages = \"thp\""),
            );
        }
        let origin = Origin::given(AT);
        let contents = &mut draft.contents;
        let Some(place) = draft.slots.next(&mut contents.argv, "memory", "memory virtio-balloon-pci", &origin) else {
            let full = Problem::new(Class::Invalid, AT, "the guest's PCI bus is full");
            return draft.refuse(full.fix("leave some devices out"));
        };
        let mut device = json!({"driver": "virtio-balloon-pci", "id": "balloon0"});
        place.onto(&mut device);
        contents.argv.device(&device, origin);
    }
}
