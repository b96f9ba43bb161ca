//! Where a vCPU stands: the package, die, core and thread that its APIC id spells.

use core::fmt::{Display, Formatter, Result};

use crate::cpu::{cpuid, extended, is_amd, max_leaf};

/// How the bits of an APIC id divide, lowest part first: thread, core, die, package.
#[derive(Clone, Copy)]
struct Layout {
    core_shift: u32,
    die_shift: u32,
    package_shift: u32,
}

/// The place of one vCPU. Core counts within its die, thread within its core; the order is the APIC id's.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Package, from 0 over the machine.
    pub package: u32,
    /// Die, from 0 in its package.
    pub die: u32,
    /// Core, from 0 in its die.
    pub core: u32,
    /// Thread, from 0 in its core.
    pub thread: u32,
    /// The APIC id, 32 bits where the processor has them.
    pub apic: u32,
}

impl Place {
    /// The place of the vCPU that runs this.
    pub fn of_this_vcpu() -> Self {
        let apic = apic_id();
        let layout = layout().1;
        let field = |low: u32, high: u32| apic.checked_shr(low).unwrap_or(0) & mask(high - low);
        Self {
            package: apic.checked_shr(layout.package_shift).unwrap_or(0),
            die: field(layout.die_shift, layout.package_shift),
            core: field(layout.core_shift, layout.die_shift),
            thread: field(0, layout.core_shift),
            apic,
        }
    }
}

/// The leaf that this processor's topology is read from.
pub fn source() -> &'static str {
    layout().0
}

/// Threads of a core as AMD's own leaf gives them, present only with `topoext`; `None` elsewhere.
pub fn amd_threads() -> Option<u32> {
    // Leaf 0x80000001, ECX bit 22: TOPOEXT.
    let topoext = is_amd() && extended(0x8000_0001)?.ecx >> 22 & 1 == 1;
    topoext.then(|| extended(0x8000_001e)).flatten().map(|leaf| (leaf.ebx >> 8 & 0xff) + 1)
}

fn apic_id() -> u32 {
    let leaf = if max_leaf() >= 0xb { cpuid(0xb, 0) } else { cpuid(0, 0) };
    let wide = max_leaf() >= 0xb && leaf.ebx != 0;
    if wide { leaf.edx } else { cpuid(1, 0).ebx >> 24 }
}

fn layout() -> (&'static str, Layout) {
    None.or_else(|| Some(("0x1f", levels(0x1f)?)))
        .or_else(|| Some(("0xb", levels(0xb)?)))
        .or_else(|| Some(("0x8000001e", amd()?)))
        .unwrap_or_else(|| ("0x1", legacy()))
}

/// The layout in leaf 0x1f or 0xb: one subleaf a level, lowest first, each with the shift to the next.
/// `None` when the processor has not the leaf.
fn levels(leaf: u32) -> Option<Layout> {
    if max_leaf() < leaf || cpuid(leaf, 0).ebx == 0 {
        return None;
    }
    let mut layout = Layout { core_shift: 0, die_shift: 0, package_shift: 0 };
    let mut die_shift = None;
    for subleaf in 0.. {
        let level = cpuid(leaf, subleaf);
        let shift = level.eax & 0x1f;
        match level.ecx >> 8 & 0xff {
            0 => break,
            1 => layout.core_shift = shift,
            // The die's own number begins where the level below it ends, be that core, module or tile.
            5 => die_shift = Some(layout.package_shift),
            _ => {}
        }
        layout.package_shift = shift;
    }
    layout.die_shift = die_shift.unwrap_or(layout.package_shift);
    Some(layout)
}

/// AMD's extended leaves, for processors without leaf 0xb.
fn amd() -> Option<Layout> {
    let core_shift = bits_for(amd_threads()?);
    let package_shift = (extended(0x8000_0008)?.ecx >> 12 & 0xf).max(core_shift);
    Some(Layout { core_shift, die_shift: package_shift, package_shift })
}

/// The oldest way: logical processors of a package in leaf 1, its cores in leaf 4 or AMD's 0x80000008.
fn legacy() -> Layout {
    let leaf = cpuid(1, 0);
    // Leaf 1, EDX bit 28: the count in EBX means something.
    let logical = if leaf.edx >> 28 & 1 == 1 { (leaf.ebx >> 16 & 0xff).max(1) } else { 1 };
    let cores = match extended(0x8000_0008) {
        Some(leaf) if is_amd() => (leaf.ecx & 0xff) + 1,
        _ if max_leaf() >= 4 => (cpuid(4, 0).eax >> 26) + 1,
        _ => 1,
    };
    let core_shift = bits_for(logical.div_ceil(cores));
    let package_shift = core_shift + bits_for(cores);
    Layout { core_shift, die_shift: package_shift, package_shift }
}

/// Bits that `count` numbers from 0 on take.
fn bits_for(count: u32) -> u32 {
    count.next_power_of_two().trailing_zeros()
}

fn mask(bits: u32) -> u32 {
    1u32.checked_shl(bits).map_or(u32::MAX, |bit| bit - 1)
}

/// The shape of the whole machine: packages, and the most dies and cores of a package and threads of a core.
#[derive(Default)]
pub struct Shape {
    packages: u32,
    dies: u32,
    cores: u32,
    threads: u32,
}

impl Shape {
    /// The shape of `places`, which are in order.
    pub fn of(places: &[Place]) -> Self {
        let mut shape = Self::default();
        let mut here = Self::default();
        let mut previous: Option<Place> = None;
        for place in places {
            let package = previous.is_none_or(|p| p.package != place.package);
            let die = package || previous.is_none_or(|p| p.die != place.die);
            let core = die || previous.is_none_or(|p| p.core != place.core);
            here.packages += u32::from(package);
            here.dies = if package { 1 } else { here.dies + u32::from(die) };
            here.cores = if package { 1 } else { here.cores + u32::from(core) };
            here.threads = if core { 1 } else { here.threads + 1 };
            shape.keep_most(&here);
            previous = Some(*place);
        }
        shape
    }

    fn keep_most(&mut self, other: &Self) {
        self.packages = self.packages.max(other.packages);
        self.dies = self.dies.max(other.dies);
        self.cores = self.cores.max(other.cores);
        self.threads = self.threads.max(other.threads);
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { packages, dies, cores, threads } = self;
        write!(f, "packages={packages} cores={cores} threads={threads} dies={dies}")
    }
}
