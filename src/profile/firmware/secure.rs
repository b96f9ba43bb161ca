//! Secure Boot: what it needs of the machine.

use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use crate::profile::machine::Machine;

/// Whether the machine can have a system management mode; notes a problem when not.
pub(super) fn judge(machine: &Machine, draft: &mut Draft) -> bool {
    let can = machine.chipset() == Chipset::Q35;
    if !can {
        let what = format!("Secure Boot needs q35, and the machine is {}", machine.kind().as_str());
        draft.refuse(
            Problem::new(Class::Invalid, "machine.type", what)
                .why("only the chipset of q35 has memory for the system management mode")
                .fix("type = \"q35\""),
        );
    }
    can
}

/// Drafts system management mode for the key `at`, and flash chips that only it may write to; without both a guest could
/// change its variables behind the firmware's back. QEMU: property `secure` of `hw/block/pflash_cfi01.c`.
pub(super) fn draft(machine: &Machine, at: &'static str, draft: &mut Draft) {
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
