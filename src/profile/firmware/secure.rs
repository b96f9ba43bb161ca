//! Secure Boot: what it needs of the machine.

use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use crate::profile::machine::Machine;

/// Drafts system management mode, and the flash chips that only it may write to; without both a guest could change its
/// variables behind the firmware's back. QEMU: `docs/specs/fw_cfg`, `hw/block/pflash_cfi01.c` (`secure`).
pub(super) fn draft(machine: &Machine, at: &'static str, draft: &mut Draft) {
    if machine.chipset() != Chipset::Q35 {
        draft.refuse(
            Problem::new(Class::Invalid, at, format!("Secure Boot needs q35, and the machine is {}", machine.kind().as_str()))
                .why("only the chipset of q35 has memory for the system management mode")
                .fix("[machine]\ntype = \"q35\""),
        );
    }
    if machine.smm() == Some(false) {
        draft.refuse(
            Problem::new(Class::Invalid, "machine.smm", "the firmware needs the system management mode, which is off")
                .why("its variables are guarded by it")
                .fix("leave smm out"),
        );
    }
    let why = "the firmware guards its variables with the system management mode";
    draft.contents.argv.machine.switch("smm", true, Origin::derived(at, why));
    draft.contents.argv.setting(
        "-global",
        "driver=cfi.pflash01,property=secure,value=on",
        Origin::derived(at, "only the system management mode may write to the variables"),
    );
}
