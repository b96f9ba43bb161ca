//! `firmware.mmio64`: OVMF's room above 4 GiB for the windows of PCI devices.
//!
//! Source: edk2 `OvmfPkg/Library/PlatformInitLib/MemDetect.c`, `PlatformGetFirstNonAddress` and
//! `PlatformDynamicMmioWindow`.

use super::Firmware;
use crate::plan::{Class, Draft, Origin, Problem, Props};
use crate::profile::scene::Scene;
use crate::unit::Size;

const AT: &str = "firmware.mmio64";

/// The entry by which OVMF is told, in MiB.
const NAME: &str = "opt/ovmf/X-PciMmio64Mb";

/// What OVMF takes without being told. Where it trusts the guest's address width it takes an eighth of all addresses, if
/// that is more than it was told.
const DEFAULT: u64 = 32 << 30;

/// The most that OVMF lets itself be told: 2²⁴ MiB.
const MOST: u64 = 1 << 44;

/// Address bits of all CPU models but the host's own. QEMU: `TCG_PHYS_ADDR_BITS`, `target/i386/cpu.h`.
const MODEL_BITS: u8 = 40;

/// What the guest has that matters to its addresses.
#[derive(Clone, Copy)]
pub(in crate::profile) struct Needs {
    /// Its memory.
    pub(in crate::profile) ram: Size,
    /// The windows of its passed functions.
    pub(in crate::profile) windows: Size,
}

/// Drafts the room that the windows need, when OVMF takes less by itself, or that the profile gives. After the CPU model
/// and the user's own entries.
pub(in crate::profile) fn draft(firmware: Option<&Firmware>, needs: Needs, scene: &Scene, draft: &mut Draft) {
    let given = firmware.and_then(|firmware| firmware.mmio64);
    if !scene.uefi || told_by_user(draft) {
        if let Some(given) = given {
            draft.refuse(no_use(given, scene.uefi));
        }
        return;
    }
    let bits = address_bits(scene, draft);
    let needed = needs.windows.bytes();
    let (room, origin) = match given {
        Some(given) => {
            judge(given, needs, bits, draft);
            (given.bytes(), Origin::given(AT))
        }
        None if needed > DEFAULT => {
            let Some(room) = enough(needs, bits) else { return draft.refuse(no_room(needs, bits)) };
            (
                room,
                Origin::derived(
                    "pci",
                    "the windows of the passed cards do not fit into the 32G that OVMF keeps for them",
                )
                .read_in("/sys/bus/pci/devices/*/resource"),
            )
        }
        None => return,
    };
    let mut entry = Props::default();
    entry.set("name", NAME, origin.clone());
    entry.set("string", (room >> 20).to_string(), origin);
    draft.contents.argv.backend_props("-fw_cfg", &entry);
}

fn told_by_user(draft: &Draft) -> bool {
    draft.contents.argv.words().iter().any(|word| word.contains(NAME))
}

fn no_use(given: Size, uefi: bool) -> Problem {
    let what = if uefi {
        format!("mmio64 and the fw_cfg entry {NAME} say the same thing")
    } else {
        "mmio64 is for UEFI".into()
    };
    let problem = Problem::new(Class::Invalid, AT, what);
    if uefi {
        problem.fix("leave one of them out")
    } else {
        problem.why(format!("a BIOS is not told of {given}")).fix("kind = \"uefi\"   # or leave mmio64 out")
    }
}

/// Bits of a physical address in the guest; `None` where they are not known.
///
/// QEMU gives its models `host` and `max` the host's under KVM: `host-phys-bits`, `target/i386/host-cpu.c`.
fn address_bits(scene: &Scene, draft: &Draft) -> Option<u8> {
    let cpu = &draft.contents.argv.cpu;
    let hosts_own = matches!(cpu.first(), Some("host" | "max")) || cpu.get("host-phys-bits") == Some("on");
    if hosts_own && scene.kvm() { scene.host.address_bits } else { Some(MODEL_BITS) }
}

/// Twice the windows, as a power of two, for what firmware keeps free between them; else as much as they need.
fn enough(needs: Needs, bits: Option<u8>) -> Option<u64> {
    let least = needs.windows.bytes().checked_next_power_of_two()?;
    [least.saturating_mul(2), least].into_iter().find(|room| *room <= MOST && fits(*room, needs.ram, bits))
}

/// Whether `room` has a place among the guest's addresses: above the memory, at a multiple of its size.
fn fits(room: u64, ram: Size, bits: Option<u8>) -> bool {
    let Some(bits) = bits.filter(|bits| *bits < 64) else { return true };
    let memory_ends = ram.bytes().saturating_add(4 << 30);
    let start = memory_ends.checked_next_multiple_of(room.next_power_of_two());
    start.and_then(|start| start.checked_add(room)).is_some_and(|end| end <= 1 << bits)
}

fn no_room(needs: Needs, bits: Option<u8>) -> Problem {
    let Needs { ram, windows } = needs;
    let bits = bits.unwrap_or(MODEL_BITS);
    let what = format!("the windows of the passed cards take {windows}, for which the guest has no addresses");
    Problem::new(Class::Impossible, "pci", what)
        .why(format!(
            "a guest with addresses of {bits} bits has {} of them, and its memory takes {ram}",
            Size::from_bytes(1 << bits.min(63))
        ))
        .fix("rebar = { 1 = \"256M\" }   # smaller windows, by the number of the BAR\n# or model = \"host\" in [cpu], on a host that has more")
}

fn judge(given: Size, needs: Needs, bits: Option<u8>, draft: &mut Draft) {
    let mut refuse = |what: String, why: String, fix: String| {
        draft.refuse(Problem::new(Class::Invalid, AT, what).why(why).fix(fix));
    };
    let wanted = enough(needs, bits).unwrap_or(DEFAULT).max(DEFAULT);
    let fix = format!("mmio64 = \"{}\"   # or leave it out", Size::from_bytes(wanted));
    if given.bytes() == 0 || !given.bytes().is_multiple_of(1 << 20) || given.bytes() > MOST {
        refuse(format!("{given} is no size that OVMF takes"), "it takes whole MiB, up to 16T".into(), fix);
    } else if given < needs.windows {
        let why = "a card whose windows have no place is there for the guest, and does not work".into();
        refuse(format!("the windows of the passed cards take {}, more than {given}", needs.windows), why, fix);
    } else if !fits(given.bytes(), needs.ram, bits) {
        let bits = bits.unwrap_or(MODEL_BITS);
        let why = format!(
            "it lies above the memory of {}, at a multiple of its size, and addresses have {bits} bits",
            needs.ram
        );
        refuse(format!("{given} has no place among the guest's addresses"), why, fix);
    }
}
