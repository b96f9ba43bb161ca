//! What the hypervisor says of itself in CPUID: its signature, and the leaves of Microsoft's interface.

use crate::cpu::{Leaf, cpuid, join};
use crate::hyperv;
use crate::line;
use crate::quoted::{Quoted, trim_zeros};

/// First leaf of the range that processors leave to hypervisors.
const BASE: u32 = 0x4000_0000;
/// Where KVM puts its own leaves when Microsoft's take the first place.
const SECOND_BASE: u32 = 0x4000_0100;

/// Writes the lines `hypervisor` and, where Microsoft's interface is shown, `hyperv`.
pub fn report() {
    // Leaf 1, ECX bit 31: never set by a real processor.
    if cpuid(1, 0).ecx >> 31 == 0 {
        line!("hypervisor none");
        return;
    }
    let leaf = cpuid(BASE, 0);
    line!("hypervisor signature={} max={:#010x}", Quoted(trim_zeros(&signature(leaf))), leaf.eax);
    report_second();
    if leaf.eax > BASE {
        hyperv::report(leaf.eax);
    }
}

/// Writes the line of the second range. A leaf that does not exist may answer anything, so the answer must
/// also name its own range as KVM's does.
fn report_second() {
    let leaf = cpuid(SECOND_BASE, 0);
    if leaf.eax & !0xff == SECOND_BASE {
        let signature = signature(leaf);
        let signature = Quoted(trim_zeros(&signature));
        line!("hypervisor base={SECOND_BASE:#010x} signature={signature} max={:#010x}", leaf.eax);
    }
}

fn signature(leaf: Leaf) -> [u8; 12] {
    join([leaf.ebx, leaf.ecx, leaf.edx])
}
