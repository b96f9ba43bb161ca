//! What an option ROM means for somebody who passes the card to a guest.

use super::{ImageKind, OptionRom};
use std::fmt;

/// What an option ROM is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RomVerdict {
    /// A UEFI guest starts with the card; for these ids.
    Uefi(String),
    /// Only a guest with a BIOS does.
    LegacyOnly(String),
    /// Its UEFI driver is for another kind of machine.
    OtherMachine(String),
    /// It is for another card.
    OtherCard {
        /// Ids that the ROM is for.
        rom: String,
        /// Ids of the card.
        card: String,
    },
    /// A header stands before it, of so many bytes.
    Header(usize),
    /// It is damaged, in these ways.
    Damaged(Vec<String>),
    /// Nothing in it is for firmware of a PC.
    Nothing,
}

impl RomVerdict {
    /// Judges `rom`, for the card with vendor and device id `card` if it is known.
    #[must_use]
    pub fn of(rom: &OptionRom, card: Option<(u16, u16)>) -> Self {
        let id = rom.images.first().map(super::RomImage::id).unwrap_or_default();
        if let Some((vendor, device)) = card.filter(|&(vendor, device)| !rom.is_for(vendor, device)) {
            return Self::OtherCard { rom: id, card: format!("{vendor:04x}:{device:04x}") };
        }
        if !rom.flaws.is_empty() {
            return Self::Damaged(rom.flaws.clone());
        }
        if rom.header > 0 {
            return Self::Header(rom.header);
        }
        if let Some(image) = rom.uefi() {
            return Self::Uefi(card.map_or(image.id(), |(vendor, device)| format!("{vendor:04x}:{device:04x}")));
        }
        let driver = rom.images.iter().find_map(|image| image.uefi.as_ref());
        match driver {
            _ if rom.images.iter().any(|image| image.bad_checksum) => {
                Self::Damaged(vec!["its only image has a wrong checksum, and no BIOS will run it".to_owned()])
            }
            _ if rom.images.iter().any(|image| image.kind == ImageKind::Legacy) => Self::LegacyOnly(id),
            Some(driver) => Self::OtherMachine(driver.machine_name()),
            None => Self::Nothing,
        }
    }

    /// Whether a guest with UEFI firmware starts with the card.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Uefi(_))
    }

    /// What to do about it; empty when it is good.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Uefi(_) => "",
            Self::LegacyOnly(_) | Self::Nothing => {
                "give the guest a BIOS and x_vga = true, or find a newer ROM of exactly this card"
            }
            Self::OtherMachine(_) => "use the ROM that the maker gives out for PCs",
            Self::OtherCard { .. } => "use a ROM that was read from this card, or from one of the same make and model",
            Self::Header(_) => "cut the header: vmrun rom inspect FILE --trim NEW",
            Self::Damaged(_) => "read it again, on a host that did not start with this card",
        }
    }
}

impl fmt::Display for RomVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uefi(id) => write!(f, "has a UEFI image for {id}: usable with OVMF"),
            Self::LegacyOnly(id) => {
                write!(f, "has only a legacy image for {id}: needs SeaBIOS, or a romfile with a UEFI image")
            }
            Self::OtherMachine(machine) => write!(f, "has a UEFI image for {machine}, which no PC can run"),
            Self::OtherCard { rom, card } => write!(f, "is for {rom}, and the card is {card}"),
            Self::Header(bytes) => {
                write!(
                    f,
                    "begins with {bytes} bytes that a flash tool has added: no firmware finds the images behind them"
                )
            }
            Self::Damaged(flaws) => write!(f, "is damaged: {}", flaws.join("; ")),
            Self::Nothing => f.write_str("has nothing for the firmware of a PC"),
        }
    }
}
