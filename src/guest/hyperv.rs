//! Microsoft's hypervisor interface as CPUID shows it. Bits: Hypervisor Top-Level Functional Specification,
//! "Feature and Interface Discovery"; words: QEMU's property names without `hv-`, docs/system/i386/hyperv.rst.

use crate::cpu::{Leaf, cpuid};
use crate::line;
use crate::quoted::{List, Quoted};

const INTERFACE: u32 = 0x4000_0001;
const FEATURES: u32 = 0x4000_0003;
const RECOMMENDATIONS: u32 = 0x4000_0004;
const NESTED: u32 = 0x4000_000a;

/// What the interface's leaf holds when it is Microsoft's.
const HV_1: [u8; 4] = *b"Hv#1";

/// The four leaves that the enlightenments are read from.
struct Leaves {
    features: Leaf,
    recommendations: Leaf,
    nested: Leaf,
}

/// Enlightenment, the register that shows it, and the bits of it that must all be set.
type Row = (&'static str, fn(&Leaves) -> u32, u32);

const ENLIGHTENMENTS: &[Row] = &[
    ("relaxed", |l| l.recommendations.eax, 1 << 5),
    ("vapic", |l| l.features.eax, 1 << 4),
    ("apic-access-recommended", |l| l.recommendations.eax, 1 << 3),
    // Reference counter and reference TSC page: QEMU's hv-time gives both.
    ("time", |l| l.features.eax, 1 << 1 | 1 << 9),
    ("runtime", |l| l.features.eax, 1 << 0),
    ("hypercall", |l| l.features.eax, 1 << 5),
    ("vpindex", |l| l.features.eax, 1 << 6),
    ("synic", |l| l.features.eax, 1 << 2),
    ("stimer", |l| l.features.eax, 1 << 3),
    ("stimer-direct", |l| l.features.edx, 1 << 19),
    ("reset", |l| l.features.eax, 1 << 7),
    ("frequencies", |l| l.features.eax, 1 << 11),
    ("reenlightenment", |l| l.features.eax, 1 << 13),
    ("crash", |l| l.features.edx, 1 << 10),
    ("xmm-input", |l| l.features.edx, 1 << 4),
    ("tlbflush", |l| l.recommendations.eax, 1 << 2),
    ("tlbflush-ext", |l| l.features.edx, 1 << 14),
    ("tlbflush-direct", |l| l.nested.eax, 1 << 17),
    ("ipi", |l| l.recommendations.eax, 1 << 10),
    ("avic", |l| l.recommendations.eax, 1 << 9),
    ("evmcs", |l| l.recommendations.eax, 1 << 14),
    ("emsr-bitmap", |l| l.nested.eax, 1 << 19),
    ("no-nonarch-coresharing", |l| l.recommendations.eax, 1 << 18),
    ("syndbg", |l| l.features.edx, 1 << 11),
];

/// Retries before a spinning guest tells the hypervisor; this value says never.
const NEVER: u32 = u32::MAX;

/// Writes the two lines `hyperv` when the interface is Microsoft's. `max` is the highest hypervisor leaf.
pub fn report(max: u32) {
    let interface = cpuid(INTERFACE, 0).eax.to_le_bytes();
    if interface != HV_1 {
        return;
    }
    let leaves = Leaves {
        features: leaf(FEATURES, max),
        recommendations: leaf(RECOMMENDATIONS, max),
        nested: leaf(NESTED, max),
    };
    let Leaf { eax, ebx, ecx, edx } = leaves.features;
    let Leaf { eax: recommendations, ebx: retries, .. } = leaves.recommendations;
    line!(
        "hyperv interface={} features={eax:#010x} features_ebx={ebx:#010x} features_ecx={ecx:#010x} \
         features_edx={edx:#010x} recommendations={recommendations:#010x} spinlock_retries={retries:#010x}",
        Quoted(&interface),
    );
    let words = ENLIGHTENMENTS.iter().filter(|(_, register, bits)| register(&leaves) & bits == *bits);
    let spinlocks = (retries != NEVER && retries != 0).then_some("spinlocks");
    line!("hyperv enlightenments={}", List(words.map(|(word, ..)| *word).chain(spinlocks)));
}

/// CPUID's answer, all zeros beyond the last leaf.
fn leaf(leaf: u32, max: u32) -> Leaf {
    if leaf <= max { cpuid(leaf, 0) } else { Leaf { eax: 0, ebx: 0, ecx: 0, edx: 0 } }
}
