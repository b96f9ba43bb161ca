//! Starting every other vCPU, so that each tells with its own CPUID where it stands.

use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::apic::LocalApic;
use crate::boot;
use crate::fadt::Fadt;
use crate::interrupt;
use crate::line;
use crate::madt::Madt;
use crate::physical::write_code;
use crate::timer::wait;
use crate::topology::{Place, Shape, amd_threads, source};

/// Most vCPUs that can be started besides the first; what is beyond stays halted and is not counted.
pub const MAX_APS: usize = 511;
/// The conventional memory that the trampoline is copied to.
const TRAMPOLINE: u32 = 0x8000;
/// How long the others may take: with more vCPUs than host CPUs each must find its turn.
const PATIENCE_SECONDS: u64 = 30;

/// The number that the next started vCPU takes.
pub static NEXT_AP: AtomicU32 = AtomicU32::new(0);
/// How many have written their slot.
static STARTED: AtomicU32 = AtomicU32::new(0);
static SLOTS: [Slot; MAX_APS] = [const { Slot::new() }; MAX_APS];

/// Where a started vCPU leaves its place; valid once `STARTED` has counted all.
struct Slot([AtomicU32; 5]);

impl Slot {
    const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; 5])
    }

    fn store(&self, place: Place) {
        let Place { package, die, core, thread, apic } = place;
        for (field, value) in self.0.iter().zip([package, die, core, thread, apic]) {
            field.store(value, Relaxed);
        }
    }

    fn load(&self) -> Place {
        let [package, die, core, thread, apic] = [0, 1, 2, 3, 4].map(|field| self.0[field].load(Relaxed));
        Place { package, die, core, thread, apic }
    }
}

/// All vCPUs that ran code of this program.
pub struct Vcpus {
    present: usize,
    places: [Place; MAX_APS + 1],
    started: usize,
}

/// What a started vCPU does before it halts for good. Its `index` is its own among the started ones.
pub extern "C" fn ap_main(index: u32) {
    interrupt::load();
    SLOTS[index as usize].store(Place::of_this_vcpu());
    STARTED.fetch_add(1, Release);
}

impl Vcpus {
    /// Starts what `madt` lists. Without the table, or without a timer to wait by, only the first vCPU counts.
    pub fn start(madt: Option<Madt>, fadt: Option<&Fadt>) -> Self {
        let present = madt.map_or(1, |madt| madt.vcpus().count()).max(1);
        if let (Some(madt), Some(fadt)) = (madt, fadt)
            && present > 1
        {
            // An xAPIC id of 255 is the broadcast; from there on only x2APIC has names.
            let wide = madt.vcpus().any(|apic| apic >= 255);
            start_others(LocalApic::open(wide), present as u32 - 1, fadt);
        }
        Self::gather(present)
    }

    fn gather(present: usize) -> Self {
        let others = (STARTED.load(Acquire) as usize).min(MAX_APS);
        let mut places = [Place::default(); MAX_APS + 1];
        places[0] = Place::of_this_vcpu();
        for (place, slot) in places[1..].iter_mut().zip(&SLOTS[..others]) {
            *place = slot.load();
        }
        places[..=others].sort_unstable();
        Self { present, places, started: others + 1 }
    }

    /// Writes the line `vcpus`.
    pub fn report(&self) {
        line!("vcpus present={} started={}", self.present, self.started);
    }

    /// Writes a line `vcpu` for each.
    pub fn report_each(&self) {
        for (index, place) in self.places().iter().enumerate() {
            let Place { package, die, core, thread, apic } = place;
            line!("vcpu index={index} apic={apic} package={package} die={die} core={core} thread={thread}");
        }
    }

    /// Writes the line `topology`.
    pub fn report_topology(&self) {
        let shape = Shape::of(self.places());
        match amd_threads() {
            Some(threads) => line!("topology {shape} source={} amd_threads={threads}", source()),
            None => line!("topology {shape} source={}", source()),
        }
    }

    fn places(&self) -> &[Place] {
        &self.places[..self.started]
    }
}

/// INIT, then the start-up IPI. The pauses and the second start-up IPI of Intel's MP specification are for hardware
/// of its time: QEMU and KVM keep both requests and serve them in this order.
fn start_others(apic: LocalApic, expected: u32, fadt: &Fadt) {
    write_code(TRAMPOLINE, boot::trampoline());
    apic.init_others();
    apic.start_others(TRAMPOLINE);
    // Whoever is late is missing in the report, which tells both numbers.
    let expected = expected.min(MAX_APS as u32);
    wait(fadt, PATIENCE_SECONDS, || STARTED.load(Acquire) >= expected);
}
