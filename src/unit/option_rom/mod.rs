//! PCI option ROMs: the chain of images that a card brings for the firmware of the machine it sits in.
//!
//! Source: PCI Firmware Specification 3.x, chapter 5; UEFI Specification, "PCI Option ROMs" (`EFI_PCI_EXPANSION_ROM_HEADER`).
//! Input may be anything: every read is held against the bytes that are there, and the walk is bounded.

mod image;
mod verdict;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod test;

pub use image::{ImageKind, RomImage, UefiDriver};
pub use verdict::RomVerdict;

use serde::{Deserialize, Serialize};

/// Most bytes that a ROM can have: the largest expansion ROM BAR, PCI Local Bus Specification 3.0, 6.2.5.2.
pub const LARGEST_ROM: usize = 16 << 20;

/// How far into a file the first image is looked for. The headers that vendors' tools leave are some hundred bytes.
const HEADER_LIMIT: usize = 1 << 20;

/// Images that are read of one chain; cards have two or three.
const IMAGES: usize = 64;

/// What an option ROM holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionRom {
    /// Bytes before the first image: a header that a vendor's flash tool has put there, and no firmware understands.
    pub header: usize,
    /// Its images in order; at least one.
    pub images: Vec<RomImage>,
    /// Bytes after the last image that are not blank.
    pub trailing: usize,
    /// What is wrong with it, in words.
    pub flaws: Vec<String>,
}

/// Why bytes are no option ROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoRom {
    /// There are no bytes.
    Empty,
    /// Every byte is the same, 0x00 or 0xff: the card sleeps, or has no ROM that can be read.
    Blank(u8),
    /// There are more than [`LARGEST_ROM`].
    TooLarge,
    /// No image begins in it.
    NoImage,
}

impl std::fmt::Display for NoRom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Blank(byte) => write!(f, "every byte is 0x{byte:02x}"),
            Self::TooLarge => write!(f, "it is larger than {} MiB, the most that a card can have", LARGEST_ROM >> 20),
            Self::NoImage => f.write_str("nowhere in it begins an image: 55 aa, and PCIR where that points"),
        }
    }
}

impl OptionRom {
    /// Reads the chain of images in `bytes`.
    ///
    /// # Errors
    /// When no image begins in them.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoRom> {
        if bytes.len() > LARGEST_ROM {
            return Err(NoRom::TooLarge);
        }
        let first = *bytes.first().ok_or(NoRom::Empty)?;
        let header = start(bytes).ok_or(if is_blank(bytes) { NoRom::Blank(first) } else { NoRom::NoImage })?;
        let mut rom = Self { header, images: Vec::new(), trailing: 0, flaws: Vec::new() };
        let end = rom.walk(bytes);
        rom.trailing = bytes.get(end..).map_or(0, |rest| if is_blank(rest) { 0 } else { rest.len() });
        Ok(rom)
    }

    /// Reads image after image, and returns where the last one ends.
    fn walk(&mut self, bytes: &[u8]) -> usize {
        let mut at = self.header;
        while let Some(image) = RomImage::parse(bytes, at) {
            let number = self.images.len();
            self.flaws.extend(image.flaws(bytes).into_iter().map(|flaw| format!("image {number} {flaw}")));
            let (last, next) = (image.last, image.offset + image.length);
            let whole = image.length > 0 && next <= bytes.len();
            self.images.push(image);
            if last || !whole {
                return next.min(bytes.len());
            }
            if self.images.len() == IMAGES {
                self.flaws.push(format!("it has more than {IMAGES} images; the rest is not looked at"));
                return bytes.len();
            }
            at = next;
        }
        self.flaws
            .push(format!("image {} should begin at byte {at}, and does not: it is cut short", self.images.len()));
        at
    }

    /// `bytes`, from which this was read, without what stands before the first image.
    #[must_use]
    pub fn trimmed<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.header..).unwrap_or_default()
    }

    /// The image that UEFI firmware of a PC runs; `None` when there is none that it can.
    #[must_use]
    pub fn uefi(&self) -> Option<&RomImage> {
        self.images.iter().find(|image| image.uefi.as_ref().is_some_and(UefiDriver::runs_on_a_pc))
    }

    /// Whether one of its images is for the card `vendor:device`.
    #[must_use]
    pub fn is_for(&self, vendor: u16, device: u16) -> bool {
        self.images.iter().any(|image| image.is_for(vendor, device))
    }
}

/// Where the first image begins.
fn start(bytes: &[u8]) -> Option<usize> {
    let searched = &bytes[..bytes.len().min(HEADER_LIMIT)];
    let candidates = searched.windows(2).enumerate().filter(|(_, pair)| *pair == image::SIGNATURE);
    candidates.map(|(at, _)| at).find(|&at| RomImage::parse(bytes, at).is_some())
}

fn is_blank(bytes: &[u8]) -> bool {
    let first = bytes.first().copied().unwrap_or_default();
    matches!(first, 0x00 | 0xff) && bytes.iter().all(|&byte| byte == first)
}
