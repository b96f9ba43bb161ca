//! The fixed power management hardware, from ACPI's `FACP` table (ACPI specification, 5.2.9 and 4.8.3).

use crate::acpi::{HEADER, Tables, table_at};
use crate::physical::Bytes;
use crate::port;

/// Flag of the table: the reset register is there.
const RESET_REGISTER: u32 = 1 << 10;
/// Power button, in the status and in the enable register.
const POWER_BUTTON: u16 = 1 << 8;
/// Hot-plug of PCI devices, in the general purpose status and enable registers; QEMU: `ACPI_PCI_HOTPLUG_STATUS`.
const HOTPLUG: u8 = 1 << 1;
/// Control: interrupts go to the operating system, not to SMM.
const SCI_ENABLE: u16 = 1;
/// Control: go to the sleep state of the type field now.
const SLEEP_ENABLE: u16 = 1 << 13;

/// Ports and values of the machine's power management.
#[derive(Clone, Copy)]
pub struct Fadt {
    /// ISA interrupt that reports events.
    pub sci: u16,
    /// Port of the 24-bit timer of 3.579545 MHz; 0 when there is none.
    pub timer: u16,
    smi_command: u16,
    acpi_enable: u8,
    status: u16,
    enable: u16,
    general_status: u16,
    general_enable: u16,
    control: u16,
    control_b: u16,
    reset: Option<(u16, u8)>,
    soft_off: u16,
    suspend: Option<u16>,
}

impl Fadt {
    /// The table's ports; `None` when it is missing or has no fixed hardware.
    pub fn find(tables: Tables) -> Option<Self> {
        let table = tables.table(*b"FACP")?;
        let status = port_at(table, 56)?;
        let dsdt = table_at(u64::from(table.u32(40)?));
        let sleep_type = |name: &[u8; 5]| sleep_type(dsdt?, name);
        let general_status = port_at(table, 80)?;
        Some(Self {
            sci: table.u16(46)?,
            timer: port_at(table, 76)?,
            smi_command: port_at(table, 48)?,
            acpi_enable: table.u8(52)?,
            status,
            enable: status + u16::from(table.u8(88)? / 2),
            general_status,
            general_enable: general_status + u16::from(table.u8(92)? / 2),
            control: port_at(table, 64).filter(|port| *port != 0)?,
            control_b: port_at(table, 68)?,
            reset: reset_register(table),
            soft_off: sleep_type(b"_S5_\x12").unwrap_or(0),
            suspend: sleep_type(b"_S3_\x12"),
        })
    }

    /// Takes the fixed hardware over from the firmware, if that has not happened yet.
    pub fn enable_acpi(&self) {
        if port::read_u16(self.control) & SCI_ENABLE == 0 && self.smi_command != 0 {
            port::write_u8(self.smi_command, self.acpi_enable);
            while port::read_u16(self.control) & SCI_ENABLE == 0 {
                core::hint::spin_loop();
            }
        }
    }

    /// Lets only the power button raise the ACPI interrupt.
    pub fn enable_power_button(&self) {
        self.take_power_button();
        port::write_u16(self.enable, POWER_BUTTON);
    }

    /// Whether the power button was pressed since the last call.
    pub fn take_power_button(&self) -> bool {
        let pressed = port::read_u16(self.status) & POWER_BUTTON != 0;
        // Written ones clear.
        port::write_u16(self.status, POWER_BUTTON);
        pressed
    }

    /// Lets the hot-plug of PCI devices raise the ACPI interrupt too, where the machine has that register.
    pub fn enable_hotplug(&self) {
        if self.general_status != 0 {
            // What came before is not lost: its status bit is up still, and raises the interrupt now.
            port::write_u8(self.general_enable, HOTPLUG);
        }
    }

    /// Whether PCI devices came, or shall go, since the last call.
    pub fn take_hotplug(&self) -> bool {
        if self.general_status == 0 {
            return false;
        }
        let came = port::read_u8(self.general_status) & HOTPLUG != 0;
        // Written ones clear.
        port::write_u8(self.general_status, HOTPLUG);
        came
    }

    /// Soft off, S5. Returns only when the machine did not obey.
    pub fn power_off(&self) {
        self.enter(self.soft_off);
    }

    /// Sleeps with the memory kept, S3; whether the machine has that.
    pub fn suspend(&self) -> bool {
        self.suspend.map(|kind| self.enter(kind)).is_some()
    }

    fn enter(&self, sleep_type: u16) {
        self.enable_acpi();
        let value = sleep_type << 10 | SLEEP_ENABLE | SCI_ENABLE;
        port::write_u16(self.control, value);
        if self.control_b != 0 {
            port::write_u16(self.control_b, value);
        }
    }

    /// Resets by the table's register, if it names one. Returns only when the machine did not obey.
    pub fn reset(&self) {
        if let Some((register, value)) = self.reset {
            port::write_u8(register, value);
        }
    }
}

fn port_at(table: Bytes, offset: usize) -> Option<u16> {
    u16::try_from(table.u32(offset)?).ok()
}

/// Port and value of the reset register; `None` when the table has none or has it in memory.
fn reset_register(table: Bytes) -> Option<(u16, u8)> {
    const SYSTEM_IO: u8 = 1;
    let present = table.u32(112)? & RESET_REGISTER != 0 && table.u8(116)? == SYSTEM_IO;
    present.then(|| Some((u16::try_from(table.u64(120)?).ok()?, table.u8(128)?))).flatten()
}

/// First value of the package `name`, like `\_S5_` for soft off, in the code of `dsdt`: what `SLP_TYPa` wants for that state.
///
/// The name is declared once and at the top, so its bytes are enough: the name, with or without its
/// root, the package's opcode, one byte each of length and count, and a constant (ACPI specification, chapter 20).
fn sleep_type(dsdt: Bytes, name: &[u8; 5]) -> Option<u16> {
    let code = dsdt.0.get(HEADER..)?;
    let start = code.windows(5).position(|bytes| bytes == name)?;
    match code.get(start + 7..)? {
        [0x0a, value, ..] | [value @ (0 | 1), ..] => Some(u16::from(*value)),
        _ => None,
    }
}
