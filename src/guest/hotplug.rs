//! Devices that come and go while the guest runs, by the ports that the code in QEMU's ACPI tables uses
//! (QEMU: docs/specs/acpi_pci_hotplug.rst, hw/acpi/pcihp.c). This guest looks at what comes and lets go of what is asked
//! back.

use crate::config_space::ConfigSpace;
use crate::fadt::Fadt;
use crate::line;
use crate::pci;
use crate::port;

/// The ports of a q35 machine; QEMU: `ACPI_PCIHP_ADDR_ICH9`.
const PORTS: u16 = 0x0cc0;
/// Bit for each slot of the chosen bus with something new in it.
const UP: u16 = PORTS;
/// The same for what the guest shall let go of.
const DOWN: u16 = PORTS + 0x4;
/// A written bit lets go of the slot.
const EJECT: u16 = PORTS + 0x8;
/// Chooses the bus that the others are about.
const SELECT: u16 = PORTS + 0x10;
/// Numbers that QEMU gives to buses that take devices, from 0; a profile has far fewer.
const BUSES: u32 = 64;
/// What a port answers behind which nothing is.
const ABSENT: u32 = u32::MAX;

/// Has these events raise the ACPI interrupt too.
pub fn listen(fadt: &Fadt) {
    if is_there() {
        fadt.enable_hotplug();
    }
}

/// Looks at what came, and lets go of what is asked back.
pub fn obey(fadt: &Fadt, space: ConfigSpace) {
    if !fadt.take_hotplug() || !is_there() {
        return;
    }
    for bus in 0..BUSES {
        port::write_u32(SELECT, bus);
        if port::read_u32(UP) != 0 {
            line!("hotplug came");
            pci::report(space);
            line!("hotplug seen");
        }
        let down = port::read_u32(DOWN);
        for slot in (0..32).filter(|slot| down >> slot & 1 == 1) {
            line!("hotplug lets go");
            port::write_u32(EJECT, 1 << slot);
        }
    }
}

fn is_there() -> bool {
    port::write_u32(SELECT, 0);
    port::read_u32(DOWN) != ABSENT
}
