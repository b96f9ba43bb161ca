//! Every PCI function that the guest can reach, with what an operating system would learn of it first.

use core::fmt::{Display, Formatter, Result};

use crate::bar;
use crate::config_space::{ConfigSpace, Function};
use crate::fw_cfg;
use crate::line;

const VENDOR: u16 = 0x00;
const CLASS: u16 = 0x08;
const HEADER: u16 = 0x0c;
const BUSES: u16 = 0x18;
const SUBSYSTEM: u16 = 0x2c;
/// What a function answers that is not there.
const ABSENT: u32 = u32::MAX;

/// Writes a line `pci` for each function, in the order of their addresses.
pub fn report(space: ConfigSpace) {
    let mut reachable = [extra_roots(); 256];
    reachable[0] = true;
    // The firmware numbers what is behind a bridge higher than the bridge's own bus, so one way up finds all.
    for bus in 0..=255 {
        if reachable[usize::from(bus)] {
            report_bus(space, bus, &mut reachable);
        }
    }
}

/// Whether there are root buses besides 0 (`pxb`, `pxb-pcie`), which no bridge leads to.
fn extra_roots() -> bool {
    fw_cfg::file_u64("etc/extra-pci-roots").is_some_and(|count| count != 0)
}

fn report_bus(space: ConfigSpace, bus: u8, reachable: &mut [bool; 256]) {
    for function in (0..32).flat_map(|device| functions(space, bus, device)) {
        let description = Description { space, function };
        line!("pci {description}");
        if let Some(secondary) = description.secondary() {
            reachable[usize::from(secondary)] = true;
        }
    }
}

/// The functions of a device that answer. Only a device that says so has more than function 0.
fn functions(space: ConfigSpace, bus: u8, device: u8) -> impl Iterator<Item = Function> {
    let at = move |function| Function { bus, device, function };
    let first = at(0);
    let present = space.read(first, VENDOR) != ABSENT;
    let count = match present {
        false => 0,
        true if space.read(first, HEADER) >> 23 & 1 == 0 => 1,
        true => 8,
    };
    (0..count).map(at).filter(move |function| space.read(*function, VENDOR) != ABSENT)
}

/// One function and the way to its registers.
struct Description {
    space: ConfigSpace,
    function: Function,
}

impl Description {
    fn read(&self, offset: u16) -> u32 {
        self.space.read(self.function, offset)
    }

    /// Layout of the registers: 0 for an endpoint, 1 for a bridge, 2 for a CardBus bridge.
    fn header(&self) -> u32 {
        self.read(HEADER) >> 16 & 0x7f
    }

    /// The bus behind a bridge; `None` for others and for a bridge that was given none.
    fn secondary(&self) -> Option<u8> {
        let secondary = (self.read(BUSES) >> 8) as u8;
        (self.header() == 1 && secondary > self.function.bus).then_some(secondary)
    }
}

impl Display for Description {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let id = self.read(VENDOR);
        let class = self.read(CLASS) >> 16;
        write!(f, "address={} id={} class={class:04x}", self.function, Id(id))?;
        match (self.header(), self.secondary()) {
            (0, _) => {
                write!(f, " subsystem={}", Id(self.read(SUBSYSTEM)))?;
                bar::write_all(f, self.space, self.function)
            }
            (header, None) => write!(f, " header={header}"),
            (header, Some(secondary)) => write!(f, " header={header} secondary={secondary:02x}"),
        }
    }
}

/// Vendor in the low half, device in the high half.
struct Id(u32);

impl Display for Id {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:04x}:{:04x}", self.0 & 0xffff, self.0 >> 16)
    }
}
