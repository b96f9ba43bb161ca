//! What a disk tells the guest of itself: serial number, world wide name, rotation, blocks.

use schemars::JsonSchema;
use serde::Deserialize;

/// Serial number of a disk: 1 to 36 printable ASCII characters; only SCSI disks hold more than 20.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[!-~]{1,36}$", "examples" = ["WD-1234567"]))]
pub(in crate::profile) struct Serial(pub(in crate::profile) String);

impl TryFrom<String> for Serial {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        match text.len() {
            1..=36 if printable => Ok(Self(text)),
            n => Err(format!(
                "`{}` is {n} bytes; a serial number is 1 to 20 printable ASCII characters, on scsi up to 36",
                text.escape_debug()
            )),
        }
    }
}

/// Bytes of a SCSI disk's device id, which QEMU takes from the serial number unless told otherwise. QEMU: `scsi_realize()`,
/// `hw/scsi/scsi-disk.c`.
const DEVICE_ID: usize = 20;

impl Serial {
    /// What a SCSI disk is told for its device id; `None` for a serial number that is one.
    pub(super) fn device_id(&self) -> Option<&str> {
        let Self(serial) = self;
        serial.get(..DEVICE_ID).filter(|start| *start != serial)
    }
}

/// World wide name of a disk, 64 bits: 16 hexadecimal digits, with or without `0x`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^(0x)?[0-9A-Fa-f]{16}$", "examples" = ["0x5000c500a1b2c3d4"]))]
pub(super) struct Wwn(pub(super) u64);

impl TryFrom<String> for Wwn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        let hex = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u64::from_str_radix(digits, 16).ok().filter(|_| hex);
        number.map(Self).ok_or_else(|| {
            format!(
                "`{}` is not a world wide name; write 16 hexadecimal digits, like 0x5000c500a1b2c3d4",
                text.escape_debug()
            )
        })
    }
}

/// Turns a minute of a disk; 1 says that it does not turn. ATA8-ACS, IDENTIFY DEVICE word 217; SBC-3, VPD page 0xb1.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
#[schemars(with = "u16", extend("examples" = [1, 7200]))]
pub(super) struct RotationRate(pub(super) u16);

impl TryFrom<u16> for RotationRate {
    type Error = String;

    fn try_from(rate: u16) -> Result<Self, String> {
        match rate {
            1 | 0x401..=0xfffe => Ok(Self(rate)),
            _ => Err(format!("{rate} is no rotation rate; write 1 for an SSD, or turns a minute from 1025 to 65534")),
        }
    }
}

/// Size of a disk's block in bytes: a power of two from 512 to 2097152. QEMU: `hw/core/qdev-properties-system.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
#[schemars(with = "u32", extend("examples" = [512, 4096]))]
pub(super) struct BlockSize(pub(super) u32);

/// Sectors, as all disks had them.
pub(super) const SECTOR: BlockSize = BlockSize(512);

impl TryFrom<u32> for BlockSize {
    type Error = String;

    fn try_from(size: u32) -> Result<Self, String> {
        match size {
            512..=0x20_0000 if size.is_power_of_two() => Ok(Self(size)),
            _ => Err(format!("{size} is no block size; write a power of two from 512 to 2097152, like 4096")),
        }
    }
}
