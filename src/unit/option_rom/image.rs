//! One image of an option ROM: its header and its PCI data structure.

use serde::{Deserialize, Serialize};

/// First bytes of an image.
pub(super) const SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// Unit of all lengths.
const BLOCK: usize = 512;

/// Ids that are read of a device list; the longest known have some dozens.
const LISTED: usize = 1024;

/// One image of an option ROM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RomImage {
    /// Byte it begins at.
    pub offset: usize,
    /// Its length in bytes, as its PCI data structure tells.
    pub length: usize,
    /// What it holds.
    pub kind: ImageKind,
    /// Vendor id of the card it is for.
    pub vendor: u16,
    /// Device id of the card it is for.
    pub device: u16,
    /// Further device ids that it is for.
    pub devices: Vec<u16>,
    /// Class code of that card, 24 bits.
    pub class: u32,
    /// Whether no image follows.
    pub last: bool,
    /// The driver in an image of [`ImageKind::Uefi`]; `None` when its header is not one of UEFI.
    pub uefi: Option<UefiDriver>,
    /// Whether the bytes of a legacy image do not sum to 0; then a BIOS will not run it, and UEFI firmware does not care.
    pub bad_checksum: bool,
}

/// What an image holds, from its code type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// 0: code for a BIOS.
    Legacy,
    /// 1: Open Firmware.
    OpenFirmware,
    /// 2: Hewlett-Packard PA-RISC.
    PaRisc,
    /// 3: a UEFI driver.
    Uefi,
    /// Anything else; vendors keep data of their own so.
    Other(u8),
}

impl std::fmt::Display for ImageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Legacy => f.write_str("legacy BIOS"),
            Self::OpenFirmware => f.write_str("Open Firmware"),
            Self::PaRisc => f.write_str("PA-RISC"),
            Self::Uefi => f.write_str("UEFI"),
            Self::Other(code) => write!(f, "vendor's own, type 0x{code:02x}"),
        }
    }
}

/// A UEFI driver in an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UefiDriver {
    /// Machine type of its code, like `0x8664`; PE/COFF.
    pub machine: u16,
    /// Subsystem, like 11 for a boot service driver; PE/COFF.
    pub subsystem: u16,
    /// 0: stored as it is. 1: compressed by UEFI's algorithm.
    pub compression: u16,
    /// Where the driver begins in the image.
    pub start: usize,
}

impl UefiDriver {
    /// Name of the machine that its code is for.
    #[must_use]
    pub fn machine_name(&self) -> String {
        match self.machine {
            0x8664 => "x64".to_owned(),
            0x014c => "IA-32".to_owned(),
            0xaa64 => "AArch64".to_owned(),
            0x01c2 | 0x01c4 => "ARM".to_owned(),
            0x0ebc => "EFI byte code".to_owned(),
            0x5064 => "RISC-V 64".to_owned(),
            0x6264 => "LoongArch 64".to_owned(),
            other => format!("machine 0x{other:04x}"),
        }
    }

    /// Whether the firmware of a 64-bit PC can run it.
    #[must_use]
    pub fn runs_on_a_pc(&self) -> bool {
        self.machine == 0x8664 && self.compression <= 1
    }
}

impl RomImage {
    /// The image at byte `at` of `rom`; `None` when none begins there.
    pub(super) fn parse(rom: &[u8], at: usize) -> Option<Self> {
        let image = Bytes(rom.get(at..)?);
        if image.0.get(..2)? != SIGNATURE {
            return None;
        }
        let data = Bytes(image.0.get(usize::from(image.word(0x18)?)..)?);
        // The shortest structure, of revision 0, ends behind its indicator.
        if data.0.get(..4)? != b"PCIR" || data.0.len() < 0x16 {
            return None;
        }
        let kind = match *data.0.get(0x14)? {
            0 => ImageKind::Legacy,
            1 => ImageKind::OpenFirmware,
            2 => ImageKind::PaRisc,
            3 => ImageKind::Uefi,
            other => ImageKind::Other(other),
        };
        Some(Self {
            offset: at,
            length: usize::from(data.word(0x10)?) * BLOCK,
            kind,
            vendor: data.word(4)?,
            device: data.word(6)?,
            devices: listed(&data),
            class: u32::from_le_bytes([*data.0.get(0xd)?, *data.0.get(0xe)?, *data.0.get(0xf)?, 0]),
            last: data.0.get(0x15)? & 0x80 != 0,
            uefi: if kind == ImageKind::Uefi { driver(&image) } else { None },
            bad_checksum: kind == ImageKind::Legacy && image.sum().is_some_and(|sum| sum != 0),
        })
    }

    /// Whether it is for the card `vendor:device`.
    #[must_use]
    pub fn is_for(&self, vendor: u16, device: u16) -> bool {
        self.vendor == vendor && (self.device == device || self.devices.contains(&device))
    }

    /// Its ids as `lspci -n` prints them.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:04x}:{:04x}", self.vendor, self.device)
    }

    /// What is wrong with it, each to be read after "image 0".
    pub(super) fn flaws(&self, rom: &[u8]) -> Vec<String> {
        let mut flaws = Vec::new();
        let there = rom.len().saturating_sub(self.offset);
        if self.length == 0 {
            flaws.push("says that it has no bytes".to_owned());
        } else if self.length > there {
            flaws.push(format!("has {} bytes, {there} are there: it is cut short", self.length));
        }
        flaws.extend(self.driver_flaw(rom));
        flaws
    }

    fn driver_flaw(&self, rom: &[u8]) -> Option<String> {
        let Some(driver) = &self.uefi else {
            let claims = self.kind == ImageKind::Uefi;
            return claims.then(|| "says that it is a UEFI driver, but has no UEFI header".to_owned());
        };
        let code = rom.get(self.offset + driver.start..);
        match driver.compression {
            0 => (!code?.starts_with(b"MZ")).then(|| "has no program where its UEFI header points".to_owned()),
            1 => None,
            other => Some(format!("is compressed by method {other}, which UEFI does not know")),
        }
    }
}

/// The UEFI header of an image.
fn driver(image: &Bytes) -> Option<UefiDriver> {
    (image.0.get(4..8)? == [0xf1, 0x0e, 0, 0]).then_some(())?;
    Some(UefiDriver {
        subsystem: image.word(0x08)?,
        machine: image.word(0x0a)?,
        compression: image.word(0x0c)?,
        start: image.word(0x16)?.into(),
    })
}

/// The device list, which structures since revision 3 may have; before, the pointer was to vital product data.
fn listed(data: &Bytes) -> Vec<u16> {
    let revision = data.0.get(0x0c).copied().unwrap_or_default();
    let list = data.word(0x08).map(usize::from).filter(|&list| revision >= 3 && list != 0);
    let Some(list) = list else { return Vec::new() };
    (0..LISTED).map_while(|i| data.word(list + 2 * i)).take_while(|&id| id != 0).collect()
}

/// Bytes that are read little-endian.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn word(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes([*self.0.get(at)?, *self.0.get(at + 1)?]))
    }

    /// Sum of the bytes that the header of a legacy image claims; `None` when they are not all there.
    fn sum(&self) -> Option<u8> {
        let bytes = self.0.get(..usize::from(*self.0.get(2)?) * BLOCK)?;
        Some(bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)))
    }
}
