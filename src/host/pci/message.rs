//! How a function interrupts, from its capabilities. Source: PCI Local Bus Specification 3.0, 6.8; Linux
//! `include/uapi/linux/pci_regs.h`.

use super::super::Root;
use super::FOLDER;
use crate::unit::Bdf;

/// Ways to interrupt that a function has, and the one in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Msi {
    /// Messages are on: MSI or MSI-X.
    On,
    /// It has messages, and uses a shared line.
    Off,
    /// It has none.
    Absent,
}

/// How `bdf` interrupts; `None` when that cannot be read: only root sees more than the first 64 bytes.
#[must_use]
pub fn msi(root: &Root, bdf: Bdf) -> Option<Msi> {
    let config = root.head(format!("{FOLDER}/{bdf}/config"), 256)?;
    (config.len() == 256).then(|| state(&config))
}

fn state(config: &[u8]) -> Msi {
    const STATUS: usize = 0x06;
    const HAS_CAPABILITIES: u8 = 0x10;
    const FIRST: usize = 0x34;
    const ID_MSI: u8 = 0x05;
    const ID_MSIX: u8 = 0x11;
    let byte = |at: usize| config.get(at).copied().unwrap_or_default();
    if byte(STATUS) & HAS_CAPABILITIES == 0 {
        return Msi::Absent;
    }
    let (mut at, mut found) = (usize::from(byte(FIRST) & !3), Msi::Absent);
    // A list in a circle, as of a function that does not answer, ends too.
    for _ in 0..48 {
        if at < 0x40 {
            break;
        }
        let enabled = match byte(at) {
            ID_MSI => Some(byte(at + 2) & 1 != 0),
            ID_MSIX => Some(byte(at + 3) & 0x80 != 0),
            _ => None,
        };
        match enabled {
            Some(true) => return Msi::On,
            Some(false) => found = Msi::Off,
            None => {}
        }
        at = usize::from(byte(at + 1) & !3);
    }
    found
}

#[cfg(test)]
mod test {
    use super::{Msi, state};

    /// A power capability, then MSI with this control byte, then MSI-X with that one.
    fn config(msi: u8, msix: u8) -> Vec<u8> {
        let mut config = vec![0; 256];
        (config[0x06], config[0x34]) = (0x10, 0x60);
        config[0x60..0x62].copy_from_slice(&[0x01, 0x68]);
        config[0x68..0x6b].copy_from_slice(&[0x05, 0x70, msi]);
        config[0x70..0x74].copy_from_slice(&[0x11, 0x00, 0x00, msix]);
        config
    }

    #[test]
    fn either_kind_of_message_counts() {
        assert_eq!(state(&config(1, 0)), Msi::On);
        assert_eq!(state(&config(0, 0x80)), Msi::On);
        assert_eq!(state(&config(0x80, 0x01)), Msi::Off);
    }

    #[test]
    fn a_function_without_capabilities_has_none_and_a_circle_ends() {
        assert_eq!(state(&[0; 256]), Msi::Absent);
        let mut circle = config(0, 0);
        circle[0x71] = 0x60;
        assert_eq!(state(&circle), Msi::Off);
        assert_eq!(state(&[0xff; 256]), Msi::Absent);
    }
}
